import { describe, expect, it } from 'vitest';
import type { Segment } from '../src/api/types';
import { indexAt, matches, wordAt } from '../src/transcript/text';

const segment = (text: string, from: number): Segment => ({
  id: String(from),
  text,
  start: from,
  end: from + text.split(' ').length,
  speaker: 'S1',
  words: text.split(' ').map((word, index) => ({
    text: word,
    start: from + index,
    end: from + index + 0.3,
    confidence: 1,
    speaker: 'S1',
    mark: null,
  })),
});

describe('what is spoken at a time', () => {
  const { words } = segment('one two three', 10);

  it('is the last word that has begun', () => {
    expect(indexAt(words, 9.9)).toBe(-1);
    expect(indexAt(words, 10)).toBe(0);
    expect(indexAt(words, 11.99)).toBe(1);
    expect(indexAt(words, 99)).toBe(2);
    expect(indexAt([], 1)).toBe(-1);
  });

  it('is nothing in a long pause', () => {
    expect(wordAt(words, 12.7)).toBe(2);
    expect(wordAt(words, 12.9)).toBe(-1);
  });
});

describe('searching', () => {
  const segments = [segment('It was the café, the old one.', 0), segment('The oldest café of all', 20)];

  it('minds neither case nor accents', () => {
    expect(matches(segments, 'CAFE')).toEqual([
      { segment: 0, from: 3, to: 3 },
      { segment: 1, from: 2, to: 2 },
    ]);
  });

  it('spans words, and begins and ends inside them', () => {
    expect(matches(segments, 'the old')).toEqual([
      { segment: 0, from: 4, to: 5 },
      { segment: 1, from: 0, to: 1 },
    ]);
  });

  it('finds nothing for nothing', () => {
    expect(matches(segments, '   ')).toEqual([]);
    expect(matches(segments, 'winter')).toEqual([]);
  });
});
