import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { hide, show } from './cache';
import { type FeedState, follow } from './feed';
import { LiveState } from './liveState';

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
          // An ended session looks like a lost connection.
          if (next === 'lost') void client.invalidateQueries({ queryKey: ['session'] });
        },
      }),
    [client],
  );

  return <LiveState value={state}>{children}</LiveState>;
}
