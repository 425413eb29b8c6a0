import { describe, expect, it } from 'vitest';
import { behindHash, providerProblem } from '../src/format/hash';

describe('what stands behind the #', () => {
  it('is read by name', () => {
    expect(behindHash('#second=abc&x=1', 'second')).toBe('abc');
    expect(behindHash('', 'second')).toBeNull();
  });

  it('tells what came of a provider in words', () => {
    expect(providerProblem('#problem=link_first')).toMatch(/Sign in to it/);
    expect(providerProblem('#problem=something_new')).toMatch(/did not work/);
    expect(providerProblem('#sign-up')).toBe('');
  });
});
