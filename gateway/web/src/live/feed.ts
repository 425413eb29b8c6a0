import type { Media } from '../api/types';

export type FeedState = 'connecting' | 'open' | 'lost';

interface Listener {
  onMedia: (media: Media) => void;
  onDeleted: (id: string) => void;
  onState: (state: FeedState) => void;
}

const FIRST_DELAY = 500; // milliseconds
const LONGEST_DELAY = 15_000;

/** How long to wait before the next try, in milliseconds: doubled each time, spread by up to half so that many tabs don't return at once. */
export function backoff(attempt: number, random: number = Math.random()): number {
  const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
  return Math.round(delay * (1 - random / 2));
}

/**
 * Follow the media of the signed-in person until the returned function is called.
 *
 * EventSource gives up for good when a server answers with an error, as one that restarts does; here it is opened again.
 * A hidden tab holds no connection: over HTTP/1.1 a browser has six for all tabs together.
 */
export function follow(url: string, listener: Listener): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  function open(): void {
    clearTimeout(timer);
    if (source !== null || document.hidden) return;
    const opened = new EventSource(url);
    source = opened;
    opened.addEventListener('open', () => {
      attempt = 0;
      listener.onState('open');
    });
    opened.addEventListener('media', (event: MessageEvent<string>) => listener.onMedia(JSON.parse(event.data) as Media));
    opened.addEventListener('deleted', (event: MessageEvent<string>) =>
      listener.onDeleted((JSON.parse(event.data) as { id: string }).id),
    );
    opened.addEventListener('error', () => {
      listener.onState('lost');
      close();
      timer = setTimeout(open, backoff(attempt));
      attempt += 1;
    });
  }

  function close(): void {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function seen(): void {
    if (document.hidden) close();
    else open();
  }

  function online(): void {
    close();
    open();
  }

  document.addEventListener('visibilitychange', seen);
  window.addEventListener('online', online);
  open();
  return () => {
    document.removeEventListener('visibilitychange', seen);
    window.removeEventListener('online', online);
    close();
  };
}
