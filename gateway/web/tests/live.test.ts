import { describe, expect, it } from 'vitest';
import type { Media, Page } from '../src/api/types';
import { backoff } from '../src/live/feed';
import { belongs, later, place, without } from '../src/live/pages';

const media = (id: string, part: Partial<Media> = {}): Media =>
  ({
    id,
    kind: 'recording',
    parent_id: null,
    title: `Recording ${id}`,
    version: 1,
    created_at: '2026-03-01T00:00:00Z',
    ...part,
  }) as Media;

const pages = (...items: Media[][]): Page<Media>[] =>
  items.map((page, index) => ({
    items: page,
    next_cursor: index < items.length - 1 ? String(index) : null,
    total: items.flat().length,
  }));

const ids = (of: Page<Media>[]) => of.flatMap((page) => page.items.map((item) => item.id));

describe('a live view', () => {
  it('replaces its older self where that stands', () => {
    const before = pages([media('a'), media('b')], [media('c')]);
    const after = place(before, media('c', { version: 2, title: 'New' }), { kind: 'recording' });
    expect(after[1]?.items[0]?.title).toBe('New');
    expect(after[0]).toBe(before[0]);
  });

  it('never replaces a newer view', () => {
    const after = place(pages([media('a', { version: 5 })]), media('a', { version: 4 }), { kind: 'recording' });
    expect(after[0]?.items[0]?.version).toBe(5);
    expect(later(media('a', { version: 5 }), media('a', { version: 4 })).version).toBe(5);
  });

  it('of something new comes on top and counts', () => {
    const after = place(pages([media('a')]), media('b', { created_at: '2026-03-02T00:00:00Z' }), { kind: 'recording' });
    expect(ids(after)).toEqual(['b', 'a']);
    expect(after[0]?.total).toBe(2);
  });

  it('of something older waits for its page', () => {
    const before: Page<Media>[] = [{ items: [media('b')], next_cursor: 'more', total: 2 }];
    expect(place(before, media('a', { created_at: '2025-01-01T00:00:00Z' }), { kind: 'recording' })).toBe(before);
  });

  it('stays out of lists that it does not belong to', () => {
    const clip = media('k', { kind: 'clip', parent_id: 'a' });
    expect(belongs(clip, { kind: 'recording' })).toBe(false);
    expect(belongs(clip, { kind: 'clip', parentId: 'b' })).toBe(false);
    expect(belongs(clip, { kind: 'clip', parentId: 'a', q: 'RECORDING k' })).toBe(true);
  });
});

it('what is deleted leaves the list and its count', () => {
  const before = pages([media('a'), media('b')]);
  const after = without(before, 'a');
  expect(ids(after)).toEqual(['b']);
  expect(after[0]?.total).toBe(1);
  expect(without(after, 'gone')).toBe(after);
});

it('tries again ever later, within bounds, and spread', () => {
  expect(backoff(0, 0)).toBe(500);
  expect(backoff(3, 0)).toBe(4000);
  expect(backoff(30, 0)).toBe(15_000);
  expect(backoff(3, 1)).toBe(2000);
});
