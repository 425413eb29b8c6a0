/** One function per request of the public API that the web app makes. */
import type { SystemReport } from '../format/system';
import { ask, create, query, send } from './http';
import type {
  ApiKey,
  Media,
  Moment,
  Page,
  Playback,
  Preset,
  Scope,
  Session,
  Share,
  Transcript,
  User,
  Visibility,
  Wishes,
} from './types';

export const session = () => ask<Session>('/v1/session');

export const signIn = (email: string, password: string) =>
  ask<{ user: User }>('/v1/auth/sign-in', { method: 'POST', json: { email, password } });

export const signUp = (email: string, password: string, displayName: string) =>
  ask<{ user: User }>('/v1/auth/sign-up', {
    method: 'POST',
    json: { email, password, ...(displayName ? { display_name: displayName } : {}) },
  });

export const signOut = () => send('/v1/auth/sign-out', { method: 'POST' });

export interface LibraryFilter {
  kind: 'recording' | 'clip';
  q?: string;
  parentId?: string;
  limit?: number;
}

export const library = ({ kind, q, parentId, limit = 24 }: LibraryFilter, cursor: string | null) =>
  ask<Page<Media>>(`/v1/library${query({ kind, q, parent_id: parentId, limit, cursor })}`);

export const media = (id: string) => ask<Media>(`/v1/library/${id}`);

export interface MediaEdit {
  title?: string;
  description?: string;
  visibility?: Visibility;
  expires_at?: string | null;
}

/** Change a recording or clip. Refused with 412 where `version` is no longer the current one; `*` is any. */
export const editMedia = (id: string, version: number | '*', edit: MediaEdit) =>
  ask<Media>(`/v1/library/${id}`, {
    method: 'PATCH',
    json: edit,
    headers: { 'If-Match': version === '*' ? '*' : `"${version}"` },
  });

export const deleteMedia = (id: string) => send(`/v1/library/${id}`, { method: 'DELETE', keepalive: true });

export const importUrl = (url: string, wishes: Wishes) =>
  create<{ id: string }>('/v1/imports', { url, wishes });

export const cancelImport = (id: string) => send(`/v1/imports/${id}`, { method: 'DELETE' });

export const transcript = (id: string) => ask<Transcript>(`/v1/media/${id}/transcript`);

export const captionsUrl = (id: string, format: 'vtt' | 'srt') => `/api/v1/media/${id}/transcript.${format}`;

export const moments = (id: string) => ask<{ items: Moment[]; engine: string }>(`/v1/media/${id}/moments`);

export const lookAgain = (id: string, wishes: Pick<Wishes, 'count' | 'prompt'>) =>
  create<unknown>(`/v1/media/${id}/moments`, wishes);

export interface ClipRequest {
  media_id: string;
  start: number;
  end: number;
  title?: string;
  preset?: string;
}

export const makeClip = (request: ClipRequest) => create<{ id: string }>('/v1/clips', request);

export const retryClip = (id: string) => create<unknown>(`/v1/clips/${id}/retry`);

export const presets = () => ask<Preset[]>('/v1/presets');

export const playback = (mediaId: string) =>
  ask<Playback>('/v1/playback', { method: 'POST', json: { media_id: mediaId } });

export const shares = (mediaId: string) => ask<{ items: Share[] }>(`/v1/shares${query({ media_id: mediaId })}`);

/** Make a link that plays without an account. `expiresIn` is seconds; null takes the platform's default. */
export const share = (mediaId: string, expiresIn: number | null) =>
  create<Share>('/v1/shares', { media_id: mediaId, ...(expiresIn === null ? {} : { expires_in: expiresIn }) });

export const revokeShare = (id: string) => send(`/v1/shares/${id}`, { method: 'DELETE' });

export const apiKeys = () => ask<{ items: ApiKey[] }>('/v1/auth/api-keys');

export const createApiKey = (name: string, scopes: Scope[]) =>
  create<ApiKey & { key: string }>('/v1/auth/api-keys', { name, scopes });

export const revokeApiKey = (id: string) => send(`/v1/auth/api-keys/${id}`, { method: 'DELETE' });

export const system = () => ask<SystemReport>('/v1/system');
