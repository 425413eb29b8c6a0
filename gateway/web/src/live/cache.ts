/** Changes what was read of the library where it is kept, so that everything on the screen follows. */
import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import type { LibraryFilter } from '../api/endpoints';
import type { Media, Page } from '../api/types';
import { later, place, without } from './pages';

type Pages = InfiniteData<Page<Media>, string | null>;

// What was deleted, or will be when the offer to undo has passed. Neither an event nor a list read meanwhile brings it back.
const hidden = new Set<string>();

/** Put a newer view of a recording or clip wherever it is shown. */
export function show(client: QueryClient, media: Media): void {
  client.setQueryData<Media>(['media', media.id], (current) => current && later(current, media));
  if (!hidden.has(media.id)) eachList(client, (pages, filter) => place(pages, media, filter));
}

/** Take a recording or clip out of every list. */
export function hide(client: QueryClient, id: string): void {
  hidden.add(id);
  eachList(client, (pages) => without(pages, id));
}

/** Bring back what was hidden and is not deleted after all. */
export async function bringBack(client: QueryClient, id: string): Promise<void> {
  hidden.delete(id);
  await client.invalidateQueries({ queryKey: ['library'] });
}

/** A page as it was read, less what is hidden. */
export function visible(page: Page<Media>): Page<Media> {
  const items = page.items.filter((item) => !hidden.has(item.id));
  return { ...page, items, total: page.total - (page.items.length - items.length) };
}

function eachList(client: QueryClient, change: (pages: Page<Media>[], filter: LibraryFilter) => Page<Media>[]): void {
  for (const [key] of client.getQueriesData<Pages>({ queryKey: ['library'] })) {
    const filter = key[1] as LibraryFilter;
    client.setQueryData<Pages>(key, (data) => data && { ...data, pages: change(data.pages, filter) });
  }
}
