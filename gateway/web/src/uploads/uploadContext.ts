import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Wishes } from '../api/types';
import { UploadQueue, type UploadView } from './queue';

interface Uploading {
  queue: UploadQueue;
  wishes: Wishes;
  setWishes: (wishes: Wishes) => void;
}

export const UploadContext = createContext<Uploading>({
  queue: new UploadQueue(),
  wishes: {},
  setWishes: () => undefined,
});

/** The queue of this tab, to add to and to steer. */
export function useUploadQueue(): UploadQueue {
  return useContext(UploadContext).queue;
}

/** What is in the queue now. */
export function useUploads(): readonly UploadView[] {
  const queue = useUploadQueue();
  return useSyncExternalStore(queue.subscribe, queue.snapshot);
}

/** What is asked for with each new recording, remembered on this computer. */
export function useWishes(): [Wishes, (wishes: Wishes) => void] {
  const { wishes, setWishes } = useContext(UploadContext);
  return [wishes, setWishes];
}
