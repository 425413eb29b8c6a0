import { describe, expect, it } from 'vitest';
import type { Stage } from '../src/api/types';
import { bytes } from '../src/format/bytes';
import { amount, fraction, progressLine } from '../src/format/stages';
import { ago, ahead, clock, endOfDay, isoDay, isSoon, length, parseClock, remaining } from '../src/format/time';

describe('positions', () => {
  it.each([
    [0, '0:00'],
    [7.96, '0:07'],
    [59.999, '0:59'],
    [725, '12:05'],
    [3729, '1:02:09'],
    [-3, '0:00'],
  ])('%d s is shown as %s', (seconds, shown) => expect(clock(seconds)).toBe(shown));

  it('shows tenths without losing one to binary fractions', () => {
    expect(clock(7.3, true)).toBe('0:07.3');
    expect(clock(59.9, true)).toBe('0:59.9');
  });

  it.each([
    ['75', 75],
    ['1:15', 75],
    ['1:15.5', 75.5],
    ['1:02:09', 3729],
    ['1:75', null],
    ['soon', null],
    ['', null],
    ['-3', null],
  ])('reads %s as %s', (typed, seconds) => expect(parseClock(typed)).toBe(seconds));

  it('reads back what it shows', () => {
    for (const seconds of [0, 0.5, 61.2, 3599.9, 3600, 86_399.9]) expect(parseClock(clock(seconds, true))).toBeCloseTo(seconds);
  });
});

describe('lengths and estimates', () => {
  it.each([
    [44.6, '45 s'],
    [60, '1 min'],
    [200, '3 min 20 s'],
    [3900, '1 h 5 min'],
  ])('%d s is %s', (seconds, words) => expect(length(seconds)).toBe(words));

  it.each([
    [2, 'a few seconds left'],
    [37, 'about 40 s left'],
    [170, 'about 3 min left'],
    [7000, 'about 2 h left'],
  ])('%d s left: %s', (seconds, words) => expect(remaining(seconds)).toBe(words));

  it('tells when something was', () => {
    const now = Date.parse('2026-03-10T12:00:00Z');
    expect(ago('2026-03-10T11:59:30Z', now)).toBe('just now');
    expect(ago('2026-03-10T11:55:00Z', now)).toBe('5 minutes ago');
    expect(ago('2026-03-10T09:30:00Z', now)).toBe('2 hours ago');
    expect(ago('2026-03-09T11:00:00Z', now)).toBe('yesterday');
  });
});

describe('what lies ahead', () => {
  const now = Date.parse('2026-03-10T12:00:00Z');
  const after = (seconds: number) => new Date(now + seconds * 1000).toISOString();

  it.each([
    [-5, 'now'],
    [20, 'in 1 minute'],
    [1200, 'in 20 minutes'],
    [3600, 'in 1 hour'],
    [86_399, 'tomorrow'],
    [3 * 86_400 - 60, 'in 3 days'],
    [30 * 86_400, 'in 30 days'],
  ])('%d s ahead: %s', (seconds, words) => expect(ahead(after(seconds), now)).toBe(words));

  it('names the date of what is far off', () => expect(ahead(after(200 * 86_400), now)).toMatch(/^on .*2026$/));

  it('tells what is less than a day off', () => {
    expect(isSoon(after(86_399), now)).toBe(true);
    expect(isSoon(after(86_401), now)).toBe(false);
  });

  it('lasts through the day that was picked', () => {
    const day = isoDay(new Date(now));
    expect(day).toMatch(/^2026-03-\d\d$/);
    expect(isoDay(new Date(endOfDay(day)))).toBe(day);
    expect(Date.parse(endOfDay(day))).toBeGreaterThan(new Date(`${day}T23:59:00`).getTime());
  });
});

describe('sizes', () => {
  it.each([
    [0, '0 bytes'],
    [814, '814 bytes'],
    [999.6, '1.0 KB'],
    [12_400_000, '12.4 MB'],
    [812_000_000, '812 MB'],
    [3_100_000_000, '3.1 GB'],
  ])('%d is %s', (count, words) => expect(bytes(count)).toBe(words));
});

describe('stages', () => {
  const stage = (part: Partial<Stage>): Stage => ({
    name: 'transcribe',
    state: 'running',
    done: null,
    total: null,
    unit: 'seconds',
    eta: null,
    detail: null,
    started_at: null,
    finished_at: null,
    ...part,
  });

  it('shows what was done of what there is, and what is left', () => {
    expect(progressLine(stage({ done: 62, total: 180, eta: 37 }))).toBe('1:02 of 3:00 · about 40 s left');
    expect(amount(stage({ unit: 'clips', done: 1, total: 3 }))).toBe('1 of 3 clips');
    expect(amount(stage({ unit: 'bytes', done: 12_400_000 }))).toBe('12.4 MB');
    expect(amount(stage({ unit: 'steps', done: 1, total: 4 }))).toBe('25%');
    expect(amount(stage({ state: 'done', done: 180, total: 180 }))).toBe('3:00');
  });

  it('claims no progress where there is no total', () => {
    expect(fraction(stage({ done: 5 }))).toBeNull();
    expect(fraction(stage({ done: 5, total: 0 }))).toBeNull();
    expect(fraction(stage({ done: 9, total: 8 }))).toBe(1);
    expect(amount(stage({}))).toBe('');
  });
});
