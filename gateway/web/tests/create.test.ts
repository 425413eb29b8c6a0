import { afterEach, describe, expect, it, vi } from 'vitest';
import { create, freshKey } from '../src/api/http';

interface Asked {
  key: string | undefined;
  body: unknown;
}

/** Have fetch give these answers in turn; a null is a lost connection. Returns what was asked. */
function answering(...answers: (Response | null)[]): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal('fetch', (_: string, options: { headers: Record<string, string>; body?: string }) => {
    asked.push({ key: options.headers['Idempotency-Key'], body: options.body });
    const answer = answers.shift();
    return answer ? Promise.resolve(answer) : Promise.reject(new TypeError('Failed to fetch'));
  });
  return asked;
}

const problem = (status: number, code: string) => Response.json({ status, code, detail: code }, { status });

afterEach(() => vi.unstubAllGlobals());

describe('what makes something', () => {
  it('is asked for again under the same key until there is an answer', async () => {
    const answers = [null, problem(503, 'unavailable'), problem(409, 'idempotency_in_progress')];
    const asked = answering(...answers, Response.json({ id: 'c1' }, { status: 202 }));
    expect(await create('/v1/clips', { start: 1 }, [0, 0, 0])).toEqual({ id: 'c1' });
    expect(asked).toHaveLength(4);
    expect(new Set(asked.map((one) => one.key)).size).toBe(1);
    expect(new Set(asked.map((one) => one.body)).size).toBe(1);
  });

  it('has a key of its own each time', async () => {
    const asked = answering(Response.json({}), Response.json({}));
    await create('/v1/clips');
    await create('/v1/clips');
    expect(new Set(asked.map((one) => one.key)).size).toBe(2);
    expect(freshKey()).toMatch(/^[0-9a-f]{32}$/);
  });

  it('is not asked for again where it was refused', async () => {
    const asked = answering(problem(422, 'too_short'));
    await expect(create('/v1/clips', {}, [0, 0])).rejects.toMatchObject({ code: 'too_short' });
    expect(asked).toHaveLength(1);
  });

  it('fails when patience ends', async () => {
    const asked = answering(null, null, null);
    await expect(create('/v1/clips', {}, [0, 0])).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked).toHaveLength(3);
  });
});
