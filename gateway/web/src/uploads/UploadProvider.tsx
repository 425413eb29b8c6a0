import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { Wishes } from '../api/types';
import { useStored } from '../ui/stored';
import { UploadQueue } from './queue';
import { UploadContext } from './uploadContext';

/** Holds the uploads above the pages, so that they go on while one looks around, and warns before the tab closes on them. */
export function UploadProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [queue] = useState(
    () =>
      new UploadQueue(() => {
        void client.invalidateQueries({ queryKey: ['library'] });
        void client.invalidateQueries({ queryKey: ['unfinished'] });
      }),
  );
  const [wishes, setWishes] = useStored<Wishes>('clipstead.wishes', {});
  const busy = useSyncExternalStore(queue.subscribe, queue.snapshot).some((upload) => upload.state === 'uploading');

  useEffect(() => {
    if (!busy) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [busy]);

  const value = useMemo(() => ({ queue, wishes, setWishes }), [queue, wishes, setWishes]);
  return <UploadContext value={value}>{children}</UploadContext>;
}
