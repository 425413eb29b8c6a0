import { type InfiniteData, type QueryClient, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import type { LibraryFilter } from '../api/endpoints';
import type { Media, Page } from '../api/types';
import { type FeedState, follow } from './feed';
import { LiveState } from './liveState';
import { later, place, without } from './pages';

type Pages = InfiniteData<Page<Media>, string | null>;

/** Keeps every list and page of the signed-in person up to date, and tells whether that works at the moment. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<FeedState>('connecting');

  useEffect(
    () =>
      follow('/api/v1/events', {
        onMedia: (media) => show(client, media),
        onDeleted: (id) => hide(client, id),
        onState: (next) => {
          setState(next);
          // What happened while nobody listened is not sent again.
          if (next === 'open') void client.invalidateQueries({ queryKey: ['library'] });
          if (next === 'open') void client.invalidateQueries({ queryKey: ['media'] });
        },
      }),
    [client],
  );

  return <LiveState value={state}>{children}</LiveState>;
}

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
