import { describe, expect, it } from 'vitest';
import { Problem } from '../src/api/http';
import { announced, fingerprint, mediaIdOf } from '../src/uploads/resumable';
import { estimate, type Sample, sampled, speed } from '../src/uploads/speed';
import { addressIn } from '../src/uploads/useIntake';

describe('an upload', () => {
  it('has the id of the recording that comes of it', () => {
    expect(mediaIdOf('/api/v1/uploads/0198-ab')).toBe('0198-ab');
    expect(mediaIdOf('https://clips.example/api/v1/uploads/0198-ab/?x=1')).toBe('0198-ab');
  });

  it('is found again for the same file of the same person only', () => {
    const file = { name: 'talk.mp4', size: 10, lastModified: 5 };
    expect(fingerprint('ada', file)).toBe(fingerprint('ada', { ...file }));
    expect(fingerprint('ada', file)).not.toBe(fingerprint('bob', file));
    expect(fingerprint('ada', file)).not.toBe(fingerprint('ada', { ...file, lastModified: 6 }));
  });
});

describe('the announcement of an upload', () => {
  const request = (method: string, keys: string[] = []) => ({
    getMethod: () => method,
    setHeader: (_: string, key: string) => void keys.push(key),
  });

  it('has one key, until the server has no such upload any more', () => {
    const keys: string[] = [];
    const announcement = announced();
    announcement.before(request('PATCH', keys));
    expect(keys).toEqual([]);
    announcement.before(request('POST', keys));
    announcement.after(request('HEAD'), { getStatus: () => 503 }); // away, and the client announces anew
    announcement.before(request('POST', keys));
    expect(new Set(keys).size).toBe(1);
    announcement.after(request('HEAD'), { getStatus: () => 410 });
    announcement.before(request('POST', keys));
    expect(new Set(keys).size).toBe(2);
  });
});

describe('speed', () => {
  const run = (...samples: Sample[]) => samples.reduce<Sample[]>((all, sample) => sampled(all, sample), []);

  it('is bytes per second over the last moments', () => {
    const samples = run({ at: 0, sent: 0 }, { at: 1000, sent: 2000 }, { at: 2000, sent: 4000 });
    expect(speed(samples)).toBe(2000);
    expect(estimate(samples, 10_000)).toBe(3);
  });

  it('forgets what is long past', () => {
    const samples = run({ at: 0, sent: 0 }, { at: 20_000, sent: 9000 }, { at: 21_000, sent: 9500 });
    expect(speed(samples)).toBe(500);
  });

  it('is not told from one sample, nor an estimate from a standstill', () => {
    expect(speed(run({ at: 0, sent: 0 }))).toBeNull();
    expect(estimate(run({ at: 0, sent: 7 }, { at: 3000, sent: 7 }), 10)).toBeNull();
  });
});

it('takes an address from a pasted text only if it is all there is', () => {
  expect(addressIn(' https://example.org/talk ')).toBe('https://example.org/talk');
  expect(addressIn('see https://example.org/talk')).toBeNull();
  expect(addressIn('javascript:alert(1)')).toBeNull();
  expect(addressIn('https://')).toBeNull();
});

it('reads refusals that are no problem documents too', () => {
  expect(Problem.from(413, { detail: 'Too big.', code: 'too_large' })).toMatchObject({ code: 'too_large', message: 'Too big.' });
  expect(Problem.from(502, null).detail).toContain('502');
});
