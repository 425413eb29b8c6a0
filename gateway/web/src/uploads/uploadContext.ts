import { createContext, useContext, useSyncExternalStore } from 'react';
import { UploadQueue, type UploadView } from './queue';

export const UploadContext = createContext<UploadQueue>(new UploadQueue());

/** The queue of this tab, to add to and to steer. */
export function useUploadQueue(): UploadQueue {
  return useContext(UploadContext);
}

/** What is in the queue now. */
export function useUploads(): readonly UploadView[] {
  const queue = useUploadQueue();
  return useSyncExternalStore(queue.subscribe, queue.snapshot);
}
