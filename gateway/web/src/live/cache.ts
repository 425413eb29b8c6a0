/** Changes what was read of the library where it is kept, so that everything on the screen follows. */
import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import type { LibraryFilter } from '../api/endpoints';
import type { Media, Page } from '../api/types';
import { later, place, without } from './pages';

type Pages = InfiniteData<Page<Media>, string | null>;

/** Put a newer view of a recording or clip wherever it is shown. */
export function show(client: QueryClient, media: Media): void {
  client.setQueryData<Media>(['media', media.id], (current) => current && later(current, media));
  eachList(client, (pages, filter) => place(pages, media, filter));
}

/** Take a recording or clip out of every list. */
export function hide(client: QueryClient, id: string): void {
  eachList(client, (pages) => without(pages, id));
}

function eachList(client: QueryClient, change: (pages: Page<Media>[], filter: LibraryFilter) => Page<Media>[]): void {
  for (const [key] of client.getQueriesData<Pages>({ queryKey: ['library'] })) {
    const filter = key[1] as LibraryFilter;
    client.setQueryData<Pages>(key, (data) => data && { ...data, pages: change(data.pages, filter) });
  }
}
