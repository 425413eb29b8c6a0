import { createContext, useContext } from 'react';
import type { FeedState } from './feed';

export const LiveState = createContext<FeedState>('connecting');

/** Whether live updates are coming in. */
export function useLiveState(): FeedState {
  return useContext(LiveState);
}
