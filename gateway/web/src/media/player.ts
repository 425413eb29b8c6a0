import { createContext, useContext, useSyncExternalStore } from 'react';

/** Steers one video or audio element, and tells its position as often as the screen is drawn. Times are seconds. */
export class Player {
  private element: HTMLMediaElement | null = null;
  private detach = new AbortController();
  private stopAt: number | null = null;
  private position = 0;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly time = (): number => this.position;

  /** Take over an element, or let go of the last one. Fits as a `ref`. */
  readonly attach = (element: HTMLMediaElement | null): void => {
    this.detach.abort();
    this.detach = new AbortController();
    this.element = element;
    if (!element) return;
    const { signal } = this.detach;
    element.addEventListener('play', () => this.follow(), { signal });
    for (const event of ['timeupdate', 'seeking', 'loadedmetadata']) {
      element.addEventListener(event, () => this.told(), { signal });
    }
  };

  /** Go to a position, and play on from there. */
  seek(to: number): void {
    this.stopAt = null;
    this.goto(to);
  }

  /** Go to a position, and wait there. */
  place(to: number): void {
    this.goto(to, false);
  }

  /** Play from `start` and pause at `end`. */
  playSpan(start: number, end: number): void {
    this.goto(start);
    this.stopAt = end;
  }

  pause(): void {
    this.element?.pause();
  }

  private goto(to: number, play = true): void {
    const { element } = this;
    if (!element) return;
    // Before the file's head is read, a position can't be set: it is asked for again then.
    if (element.readyState === HTMLMediaElement.HAVE_NOTHING) {
      element.addEventListener('loadedmetadata', () => this.goto(to, play), { once: true, signal: this.detach.signal });
      element.load();
      return;
    }
    element.currentTime = to;
    this.told();
    if (!play) return;
    // Refused where a browser wants a click first: then the position alone is right.
    element.play().catch(() => this.told());
  }

  private follow(): void {
    const { element } = this;
    if (!element || element.paused || this.detach.signal.aborted) return;
    this.told();
    requestAnimationFrame(() => this.follow());
  }

  private told(): void {
    if (!this.element) return;
    this.position = this.element.currentTime;
    if (this.stopAt !== null && this.position >= this.stopAt) {
      this.stopAt = null;
      this.element.pause();
    }
    this.listeners.forEach((listener) => listener());
  }
}

export const PlayerContext = createContext<Player | null>(null);

export function usePlayer(): Player {
  const player = useContext(PlayerContext);
  if (!player) throw new Error('There is no player here.');
  return player;
}

/** Something worked out of the position, such as the index of a word. Draws again only when the result changes. */
export function usePosition<T extends number | boolean | string | null>(of: (time: number) => T): T {
  const player = usePlayer();
  return useSyncExternalStore(player.subscribe, () => of(player.time()));
}
