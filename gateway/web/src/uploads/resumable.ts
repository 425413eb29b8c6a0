/** The upload protocol (tus 1.0): one file becomes one recording, and a broken upload goes on where it stopped. */
import * as tus from 'tus-js-client';
import { changeHeaders, Problem } from '../api/http';
import type { Wishes } from '../api/types';

export const ENDPOINT = '/api/v1/uploads';

// Proxies in front of the platform often cap one request at 100 MB.
const CHUNK = 48 * 1024 * 1024;
const RETRIES = [0, 1000, 3000, 5000, 10_000, 20_000, ...Array<number>(20).fill(30_000)]; // milliseconds: ten minutes

interface Callbacks {
  onCreated: (mediaId: string) => void;
  onProgress: (sent: number) => void;
  /** It was held up, and is tried again by itself. */
  onHeld: () => void;
  onDone: () => void;
  onError: (problem: Problem) => void;
}

/** An upload that began in an earlier visit and has not ended. */
export interface Unfinished {
  mediaId: string;
  filename: string;
  size: number;
  sent: number;
  url: string;
  storageKey: string;
}

/** The recording's id: the server names an upload and what comes of it alike. */
export function mediaIdOf(url: string): string {
  return url.replace(/[?#].*$/, '').replace(/\/+$/, '').split('/').at(-1) ?? '';
}

/** Names a file on this computer for one person, so that choosing it again continues its upload. */
export function fingerprint(userId: string, file: Pick<File, 'name' | 'size' | 'lastModified'>): string {
  return `${owned(userId)}${file.name}-${file.size}-${file.lastModified}`;
}

function owned(userId: string): string {
  return `clipstead-${userId}-`;
}

/** Make an upload that is not started yet. */
export function prepare(file: File, userId: string, wishes: Wishes, callbacks: Callbacks): tus.Upload {
  const upload = new tus.Upload(file, {
    endpoint: ENDPOINT,
    chunkSize: CHUNK,
    retryDelays: RETRIES,
    metadata: { filename: file.name, wishes: JSON.stringify(wishes) },
    fingerprint: () => Promise.resolve(fingerprint(userId, file)),
    removeFingerprintOnSuccess: true,
    onBeforeRequest: withToken,
    onShouldRetry: (error) => {
      const again = passes(error.originalResponse?.getStatus() ?? 0) && navigator.onLine;
      if (again) callbacks.onHeld();
      return again;
    },
    onUploadUrlAvailable: () => callbacks.onCreated(mediaIdOf(upload.url ?? '')),
    onProgress: (sent) => callbacks.onProgress(sent),
    onSuccess: () => callbacks.onDone(),
    onError: (error) => callbacks.onError(told(error)),
  });
  return upload;
}

/** Start an upload, from where an earlier visit left it if there was one. Does nothing if it is no longer `wanted` by then. */
export async function begin(upload: tus.Upload, wanted: () => boolean): Promise<void> {
  const earlier = await upload.findPreviousUploads();
  const latest = earlier.sort((a, b) => Date.parse(b.creationTime) - Date.parse(a.creationTime))[0];
  if (latest) upload.resumeFromPreviousUpload(latest);
  if (wanted()) upload.start();
}

/** What this person left unfinished on this computer, with what the server already holds of it. */
export async function unfinished(userId: string): Promise<Unfinished[]> {
  const stored = (await tus.defaultOptions.urlStorage.findAllUploads()).filter((upload) =>
    upload.urlStorageKey.includes(owned(userId)),
  );
  const found = await Promise.all(stored.map(asUnfinished));
  return found.filter((upload) => upload !== null);
}

async function asUnfinished(stored: tus.PreviousUpload): Promise<Unfinished | null> {
  const url = stored.uploadUrl ?? '';
  const response = await fetch(url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } }).catch(() => null);
  if (response === null) return null;
  const sent = Number(response.headers.get('Upload-Offset') ?? NaN);
  const size = stored.size ?? 0;
  if (!response.ok || Number.isNaN(sent) || sent >= size) {
    await tus.defaultOptions.urlStorage.removeUpload(stored.urlStorageKey);
    return null;
  }
  const filename = stored.metadata.filename ?? 'a file';
  return { mediaId: mediaIdOf(url), filename, size, sent, url, storageKey: stored.urlStorageKey };
}

/** Drop an unfinished upload here and on the server. */
export async function discard(upload: Unfinished): Promise<void> {
  await tus.Upload.terminate(upload.url, { onBeforeRequest: withToken, retryDelays: RETRIES.slice(0, 3) });
  await tus.defaultOptions.urlStorage.removeUpload(upload.storageKey);
}

/** Whether a refusal may be over the next time: a fault of the server's, or another request that holds the upload. */
function passes(status: number): boolean {
  return status < 400 || status >= 500 || status === 409 || status === 423;
}

// The token may change while an upload runs, so each request asks for it anew.
function withToken(request: tus.HttpRequest): void {
  for (const [name, value] of Object.entries(changeHeaders())) request.setHeader(name, value);
}

function told(error: Error): Problem {
  const response = error instanceof tus.DetailedError ? error.originalResponse : null;
  if (!response) return new Problem(0, 'unreachable', 'The connection was lost. Resume when you are back online.');
  return Problem.from(response.getStatus(), parsed(response.getBody()));
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
