/** Finding words in a transcript, by time and by what they say. Pure. */
import type { Segment } from '../api/types';

/** The index of the last item that starts at or before `time`; -1 before the first. Items are in order of time. */
export function indexAt(items: readonly { start: number }[], time: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.start ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The index of the word that is spoken at `time`. A word lasts until the next begins, but no longer than half a second past its end. */
export function wordAt(words: Segment['words'], time: number): number {
  const index = indexAt(words, time);
  const word = words[index];
  return word && time < word.end + 0.5 ? index : -1;
}

/** A place where the searched text stands: words `from` to `to` (both included) of a segment. */
export interface Match {
  segment: number;
  from: number;
  to: number;
}

/** All places that hold the text, whatever its case and accents. It may span words and begin or end inside one. */
export function matches(segments: readonly Segment[], query: string): Match[] {
  const wanted = plain(query).trim().replace(/\s+/g, ' ');
  if (!wanted) return [];
  return segments.flatMap((segment, index) => matchesIn(segment, wanted).map((span) => ({ segment: index, ...span })));
}

function matchesIn(segment: Segment, wanted: string): { from: number; to: number }[] {
  const starts: number[] = [];
  let text = '';
  for (const word of segment.words) {
    starts.push(text.length);
    text += `${plain(word.text)} `;
  }
  const found = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    found.push({ from: holding(starts, at), to: holding(starts, at + wanted.length - 1) });
  }
  return found;
}

function holding(starts: readonly number[], offset: number): number {
  return indexAt(
    starts.map((start) => ({ start })),
    offset,
  );
}

function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{Mn}/gu, '').toLowerCase();
}
