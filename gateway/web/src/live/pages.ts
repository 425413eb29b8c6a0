/** How a live view of one recording or clip changes a list that was read page by page. Pure. */
import type { LibraryFilter } from '../api/endpoints';
import type { Media, Page } from '../api/types';

/** The later of two views of the same thing. Events can arrive after the answer to a request that was sent later. */
export function later(current: Media | undefined, incoming: Media): Media {
  return current && current.version > incoming.version ? current : incoming;
}

/** Whether a list made with this filter would hold it. */
export function belongs(media: Media, filter: LibraryFilter): boolean {
  if (media.kind !== filter.kind) return false;
  if (filter.parentId && media.parent_id !== filter.parentId) return false;
  return !filter.q || media.title.toLowerCase().includes(filter.q.toLowerCase());
}

/** Put a view in its place: where its older self stands, or on top when it is new. Unchanged lists stay the same object. */
export function place(pages: Page<Media>[], media: Media, filter: LibraryFilter): Page<Media>[] {
  const at = pages.findIndex((page) => page.items.some((item) => item.id === media.id));
  if (at >= 0) return pages.map((page, index) => (index === at ? replaced(page, media) : page));
  const [first, ...rest] = pages;
  if (!first || !belongs(media, filter) || !isNew(media, first)) return pages;
  return [{ ...first, items: [media, ...first.items], total: first.total + 1 }, ...rest];
}

/** Take out what was deleted. */
export function without(pages: Page<Media>[], id: string): Page<Media>[] {
  if (!pages.some((page) => page.items.some((item) => item.id === id))) return pages;
  return pages.map((page) => ({
    ...page,
    items: page.items.filter((item) => item.id !== id),
    total: page.total - 1,
  }));
}

function replaced(page: Page<Media>, media: Media): Page<Media> {
  return { ...page, items: page.items.map((item) => (item.id === media.id ? later(item, media) : item)) };
}

// What is older than the newest item stands on a page that hasn't been read yet.
function isNew(media: Media, first: Page<Media>): boolean {
  const newest = first.items[0];
  return !newest || media.created_at >= newest.created_at || first.next_cursor === null;
}
