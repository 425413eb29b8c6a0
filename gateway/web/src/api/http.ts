import type { Session } from './types';

/** The refusal of a request: an RFC 9457 problem document, or the same shape for a request that got no answer. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly correlationId: string | null = null,
    /** When to ask again, in milliseconds: what the server said, or a few seconds, spread so that many tabs don't come at once. */
    readonly pause: number = pauseFor(null),
  ) {
    super(detail);
  }

  /** Whether a part of the platform is not there right now, so that asking again by itself is right. */
  get away(): boolean {
    return [0, 502, 503, 504].includes(this.status);
  }

  /** Read a problem from the body of a refused request; anything else becomes a plain sentence about the status. */
  static from(status: number, body: unknown, retryAfter: string | null = null): Problem {
    const told = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
    const text = (key: string) => (typeof told[key] === 'string' ? told[key] : '');
    const detail = text('detail') || text('title') || `The server answered with status ${status}.`;
    return new Problem(status, text('code') || String(status), detail, text('correlation_id') || null, pauseFor(retryAfter));
  }
}

const USUAL_PAUSE = 3; // seconds
const LONGEST_PAUSE = 60;

/** Milliseconds to wait for a Retry-After header in seconds; what can't be read counts as not said. */
export function pauseFor(retryAfter: string | null, random: number = Math.random()): number {
  const said = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : USUAL_PAUSE;
  return Math.round((Math.min(LONGEST_PAUSE, Math.max(1, said)) + random) * 1000);
}

/** Whether this error says that a part of the platform is not there right now. */
export function isAway(error: unknown): error is Problem {
  return error instanceof Problem && error.away;
}

/** The sentence to show for anything that was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof Error && error.message) return error.message;
  return 'Something went wrong. Try again.';
}

let csrfToken: string | null = null;
let onSignedOut: () => void = () => undefined;

/** Keep the token of the current session; every changing request carries it. */
export function rememberSession(session: Session): void {
  csrfToken = session.csrf_token;
}

/** Called when a request finds that the session has ended. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Headers that a changing request needs, for clients that send their own requests (uploads). */
export function changeHeaders(): Record<string, string> {
  return csrfToken ? { 'X-CSRF-Token': csrfToken } : {};
}

const PATIENCE = 8000; // milliseconds until an answer has to begin

interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  json?: unknown;
  /** Bytes in place of JSON: their type is the request's. */
  body?: Blob;
  headers?: Record<string, string>;
  /** Let the request outlive the page, for what must still happen when the tab closes. */
  keepalive?: boolean;
  signal?: AbortSignal;
}

/** Send a request to the public API. Throws `Problem` for every refusal and for a server that can't be reached. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', json, headers = {}, ...rest } = options;
  const changes = method !== 'GET' && method !== 'HEAD';
  const patience = new AbortController();
  // A change may take its time; what is only read is asked for again.
  const timer = changes ? undefined : setTimeout(() => patience.abort(), PATIENCE);
  const response = await fetch(`/api${path}`, {
    method,
    credentials: 'same-origin',
    headers: {
      Accept: 'application/json',
      ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(changes ? changeHeaders() : {}),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...rest,
    signal: rest.signal ? AbortSignal.any([rest.signal, patience.signal]) : patience.signal,
  })
    .catch((error: unknown) => {
      if (patience.signal.aborted) throw new Problem(0, 'slow', 'The server did not answer in time.');
      if (error instanceof DOMException && error.name === 'AbortError') throw error;
      throw new Problem(0, 'unreachable', 'The server can’t be reached. Check your connection and try again.');
    })
    .finally(() => clearTimeout(timer));
  if (!response.ok) throw await refusal(response, path);
  return response;
}

async function refusal(response: Response, path: string): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  if (response.status === 401 && !path.startsWith('/v1/auth/sign-')) onSignedOut();
  return Problem.from(response.status, body, response.headers.get('Retry-After'));
}

/** As `send`, and read the JSON answer. The caller names its shape; the API's contract vouches for it. */
export async function ask<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  return (await response.json()) as T;
}

const PAUSES = [500, 1500, 3000]; // milliseconds before each further try
const AWAY = [0, 502, 503, 504]; // no answer, or none of the part that was asked

/** A text that nobody has used before: names one thing to be made. */
export function freshKey(): string {
  // crypto.randomUUID is kept from pages on plain HTTP, as which a platform on the network at home may be reached.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Ask for something to be made. While there is no answer the request is sent again under the same key: one thing is made. */
export async function create<T>(path: string, json?: unknown, pauses: readonly number[] = PAUSES): Promise<T> {
  const options: RequestOptions = { method: 'POST', json, headers: { 'Idempotency-Key': freshKey() } };
  for (const pause of pauses) {
    try {
      return await ask<T>(path, options);
    } catch (error) {
      if (!passes(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return ask<T>(path, options);
}

function passes(error: unknown): boolean {
  if (!(error instanceof Problem)) return error instanceof TypeError; // the answer broke off
  return AWAY.includes(error.status) || error.code === 'idempotency_in_progress';
}

/** Build a query string of the parameters that are set. */
export function query(parameters: Record<string, string | number | null | undefined>): string {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()}`;
}
