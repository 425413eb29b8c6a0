import type * as tus from 'tus-js-client';
import { type Problem, sentence } from '../api/http';
import type { Wishes } from '../api/types';
import { begin, prepare } from './resumable';
import { type Sample, sampled } from './speed';

export type UploadState = 'waiting' | 'uploading' | 'paused' | 'failed';

export interface UploadView {
  key: string;
  filename: string;
  size: number; // bytes
  sent: number;
  state: UploadState;
  mediaId: string | null;
  samples: Sample[];
  problem: string | null;
  /** The server does not take it right now; it is tried again by itself. */
  held: boolean;
}

const AT_ONCE = 3;
const TOLD_EVERY = 200; // milliseconds: progress comes faster than anyone reads

/** The uploads of this tab: a few at a time, in the order they were chosen. A finished one leaves the queue. */
export class UploadQueue {
  private views: readonly UploadView[] = [];
  private readonly transfers = new Map<string, tus.Upload>();
  private readonly listeners = new Set<() => void>();
  private serial = 0;

  constructor(private readonly onLeft: () => void = () => undefined) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): readonly UploadView[] => this.views;

  /** Queue a file. Choosing one that is already here resumes it if it is paused or has failed. */
  add(file: File, userId: string, wishes: Wishes): void {
    const known = this.views.find((view) => view.filename === file.name && view.size === file.size);
    if (known) {
      this.resume(known.key);
      return;
    }
    this.serial += 1;
    const key = `upload-${this.serial}`;
    this.transfers.set(key, this.transfer(key, file, userId, wishes));
    const view = { key, filename: file.name, size: file.size, sent: 0, mediaId: null, samples: [], problem: null, held: false };
    this.set([...this.views, { ...view, state: 'waiting' as const }]);
    this.startNext();
  }

  pause(key: string): void {
    this.transfers.get(key)?.abort().catch((error: unknown) => this.change(key, { problem: sentence(error) }));
    this.change(key, { state: 'paused', samples: [] });
    this.startNext();
  }

  resume(key: string): void {
    const view = this.views.find((one) => one.key === key);
    if (view?.state !== 'paused' && view?.state !== 'failed') return;
    this.change(key, { state: 'waiting', problem: null, held: false });
    this.startNext();
  }

  /** Stop an upload and delete what the server has of it. */
  async cancel(key: string): Promise<void> {
    const transfer = this.transfers.get(key);
    this.leave(key);
    await transfer?.abort(true);
    this.onLeft();
  }

  private transfer(key: string, file: File, userId: string, wishes: Wishes): tus.Upload {
    let toldAt = 0;
    return prepare(file, userId, wishes, {
      onCreated: (mediaId) => this.change(key, { mediaId }),
      onProgress: (sent) => {
        const at = performance.now();
        if (at - toldAt < TOLD_EVERY && sent < file.size) return;
        toldAt = at;
        this.progressed(key, { at, sent });
      },
      onHeld: () => this.change(key, { held: true, samples: [] }),
      onDone: () => this.leave(key),
      onError: (problem: Problem) => {
        this.change(key, { state: 'failed', problem: problem.detail, samples: [] });
        this.startNext();
      },
    });
  }

  private progressed(key: string, sample: Sample): void {
    const view = this.views.find((one) => one.key === key);
    if (view) this.change(key, { sent: sample.sent, samples: sampled(view.samples, sample), held: false });
  }

  private startNext(): void {
    const active = this.views.filter((view) => view.state === 'uploading').length;
    const next = this.views.filter((view) => view.state === 'waiting').slice(0, AT_ONCE - active);
    next.forEach((view) => this.start(view.key));
  }

  private start(key: string): void {
    const transfer = this.transfers.get(key);
    if (!transfer) return;
    this.change(key, { state: 'uploading' });
    const wanted = () => this.views.some((view) => view.key === key && view.state === 'uploading');
    begin(transfer, wanted).catch((error: unknown) => this.change(key, { state: 'failed', problem: sentence(error) }));
  }

  private leave(key: string): void {
    this.transfers.delete(key);
    this.set(this.views.filter((view) => view.key !== key));
    this.onLeft();
    this.startNext();
  }

  private change(key: string, change: Partial<UploadView>): void {
    this.set(this.views.map((view) => (view.key === key ? { ...view, ...change } : view)));
  }

  private set(views: readonly UploadView[]): void {
    this.views = views;
    this.listeners.forEach((listener) => listener());
  }
}
