import { describe, expect, it } from 'vitest';
import { isAway, pauseFor, Problem } from '../src/api/http';

describe('what is not there right now', () => {
  it('is told from what was refused', () => {
    for (const status of [0, 502, 503, 504]) expect(isAway(Problem.from(status, null))).toBe(true);
    for (const status of [401, 404, 429, 500, 507]) expect(isAway(Problem.from(status, null))).toBe(false);
    expect(isAway(new Error('a fault of our own'))).toBe(false);
  });

  it('is asked again when the server says, and not by everybody at once', () => {
    expect(Problem.from(503, null, '5').pause).toBeGreaterThanOrEqual(5000);
    expect(Problem.from(503, null, '5').pause).toBeLessThanOrEqual(6000);
    expect(pauseFor('5', 0)).toBe(5000);
    expect(pauseFor('5', 1)).toBe(6000);
  });

  it('is asked again within bounds, whatever the server says', () => {
    expect(pauseFor(null, 0)).toBe(3000);
    expect(pauseFor('0', 0)).toBe(1000);
    expect(pauseFor('86400', 0)).toBe(60_000);
    expect(pauseFor('Wed, 21 Oct 2026 07:28:00 GMT', 0)).toBe(3000);
  });
});
