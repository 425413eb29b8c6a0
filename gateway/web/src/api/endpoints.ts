/** One function per request of the public API that the web app makes. */
import type { SystemReport } from '../format/system';
import { ask, create, query, send } from './http';
import type {
  AccountRules,
  AdminUser,
  ApiKey,
  AuditEntry,
  Enrolment,
  Factors,
  Group,
  GroupRole,
  Identity,
  Invitation,
  Mail,
  MadeChange,
  Me,
  Media,
  Member,
  Moment,
  Offer,
  Page,
  Passkey,
  Place,
  Playback,
  Preset,
  Provider,
  Retention,
  Role,
  Scope,
  SecondFactor,
  Session,
  Share,
  Transcript,
  TranscriptChange,
  TranscriptHit,
  User,
  Visibility,
  Wishes,
} from './types';

export const session = () => ask<Session>('/v1/session');

/** Sign in. Whoever has a second factor is asked for it: then there is no user yet. */
export const signIn = (email: string, password: string) =>
  ask<{ user: User | null; second_factor: SecondFactor | null }>('/v1/auth/sign-in', {
    method: 'POST',
    json: { email, password },
  });

export type SecondAnswer = { totp: string } | { recovery: string } | { passkey: unknown };

export const answerSecond = (challenge: string, answer: SecondAnswer) =>
  ask<{ user: User }>('/v1/auth/sign-in/second', { method: 'POST', json: { challenge, ...answer } });

export const passkeyQuestion = () =>
  ask<{ challenge: string; options: PublicKeyCredentialRequestOptionsJSON }>('/v1/auth/sign-in/passkey/options', {
    method: 'POST',
  });

export const signInPasskey = (challenge: string, credential: unknown) =>
  ask<{ user: User }>('/v1/auth/sign-in/passkey', { method: 'POST', json: { challenge, credential } });

export interface NewAccount {
  email: string;
  password: string;
  displayName: string;
  invitation: string | null;
}

/** Make an account. No user in the answer: a mail has to be answered first. */
export const signUp = ({ email, password, displayName, invitation }: NewAccount) =>
  ask<{ user: User | null }>('/v1/auth/sign-up', {
    method: 'POST',
    json: {
      email,
      password,
      ...(displayName ? { display_name: displayName } : {}),
      ...(invitation === null ? {} : { invitation }),
    },
  });

/** The identity providers that people may sign in with. */
export const providers = () => ask<{ items: Provider[] }>('/v1/auth/oidc');

export const me = () => ask<{ user: Me; second_factor_missing: boolean }>('/v1/auth/me');

export const editMe = (changes: { display_name?: string; language?: string }) =>
  ask<{ user: Me }>('/v1/auth/me', { method: 'PATCH', json: changes });

export const leave = (password: string) =>
  send('/v1/auth/me', { method: 'DELETE', json: password ? { password } : {} });

export const avatarUrl = (userId: string) => `/api/v1/auth/avatars/${userId}`;

export const setAvatar = (picture: Blob) =>
  ask<{ url: string }>('/v1/auth/me/avatar', {
    method: 'PUT',
    body: picture,
    headers: { 'Content-Type': picture.type },
  });

export const dropAvatar = () => send('/v1/auth/me/avatar', { method: 'DELETE' });

export const prove = (password: string) => send('/v1/auth/prove', { method: 'POST', json: { password } });

export const changePassword = (current: string, next: string) =>
  send('/v1/auth/password', { method: 'POST', json: { ...(current ? { current } : {}), new: next } });

export const forgotPassword = (email: string) =>
  send('/v1/auth/password/forgotten', { method: 'POST', json: { email } });

export const resetPassword = (code: string, password: string) =>
  send('/v1/auth/password/reset', { method: 'POST', json: { code, password } });

export const sendVerification = () => send('/v1/auth/verification', { method: 'POST' });

export const verifyAddress = (code: string, password: string) =>
  send('/v1/auth/verify', { method: 'POST', json: { code, ...(password ? { password } : {}) } });

export const changeAddress = (email: string, password: string) =>
  send('/v1/auth/address', { method: 'POST', json: { email, ...(password ? { password } : {}) } });

export const confirmAddress = (code: string) => send('/v1/auth/address/confirm', { method: 'POST', json: { code } });

export const places = () => ask<{ items: Place[] }>('/v1/auth/sessions');

export const endPlace = (id: string) => send(`/v1/auth/sessions/${id}`, { method: 'DELETE' });

export const endOtherPlaces = () => ask<{ ended: number }>('/v1/auth/sessions', { method: 'DELETE' });

export const factors = () => ask<Factors>('/v1/auth/factors');

export const beginTotp = () => ask<Enrolment>('/v1/auth/totp', { method: 'POST' });

export const confirmTotp = (code: string) =>
  ask<{ recovery_codes: string[] }>('/v1/auth/totp/confirm', { method: 'POST', json: { code } });

export const dropTotp = (code: string) => send('/v1/auth/totp', { method: 'DELETE', json: { code } });

export const newRecoveryCodes = () => ask<{ recovery_codes: string[] }>('/v1/auth/recovery-codes', { method: 'POST' });

export const newPasskeyQuestion = () =>
  ask<{ challenge: string; options: PublicKeyCredentialCreationOptionsJSON }>('/v1/auth/passkeys/options', {
    method: 'POST',
  });

export const addPasskey = (challenge: string, credential: unknown, name: string) =>
  ask<{ passkey: Passkey }>('/v1/auth/passkeys', { method: 'POST', json: { challenge, credential, name } });

export const dropPasskey = (id: string) => send(`/v1/auth/passkeys/${id}`, { method: 'DELETE' });

/** Where the browser goes to connect an account elsewhere. */
export const linkProvider = (id: string) => ask<{ url: string }>(`/v1/auth/oidc/${id}/link`, { method: 'POST' });

export const identities = () => ask<{ items: Identity[] }>('/v1/auth/identities');

export const dropIdentity = (id: string) => send(`/v1/auth/identities/${id}`, { method: 'DELETE' });

export const groups = () => ask<{ items: Group[] }>('/v1/groups');

export const group = (id: string) => ask<Group>(`/v1/groups/${id}`);

export const makeGroup = (name: string, description: string) => create<Group>('/v1/groups', { name, description });

export const editGroup = (id: string, changes: { name: string; description: string }) =>
  ask<Group>(`/v1/groups/${id}`, { method: 'PATCH', json: changes });

export const deleteGroup = (id: string) => send(`/v1/groups/${id}`, { method: 'DELETE' });

export const members = (id: string) => ask<{ items: Member[] }>(`/v1/groups/${id}/members`);

export const setMemberRole = (id: string, userId: string, role: GroupRole) =>
  ask<Member>(`/v1/groups/${id}/members/${userId}`, { method: 'PATCH', json: { role } });

export const removeMember = (id: string, userId: string) =>
  send(`/v1/groups/${id}/members/${userId}`, { method: 'DELETE' });

/** Where invitations are kept: those of a group, or (null) those onto this server alone. */
const invitationsOf = (groupId: string | null) =>
  groupId === null ? '/v1/admin/invitations' : `/v1/groups/${groupId}/invitations`;

export const invitations = (groupId: string | null) => ask<{ items: Invitation[] }>(invitationsOf(groupId));

export interface NewInvitation {
  email?: string;
  days: number;
  most_uses: number;
}

export const invite = (groupId: string | null, wanted: NewInvitation) =>
  create<Invitation & { url: string }>(invitationsOf(groupId), wanted);

export const revokeInvitation = (groupId: string | null, id: string) =>
  send(`${invitationsOf(groupId)}/${id}`, { method: 'DELETE' });

export const lookAtInvitation = (token: string) =>
  ask<Offer>('/v1/invitations/look', { method: 'POST', json: { token } });

export const acceptInvitation = (token: string) =>
  ask<Group>('/v1/invitations/accept', { method: 'POST', json: { token } });

export const groupMedia = (groupId: string, cursor: string | null) =>
  ask<Page<Media>>(`/v1/library${query({ scope: 'group', group_id: groupId, limit: 24, cursor })}`);

export const publicMedia = (q: string, cursor: string | null) =>
  ask<Page<Media>>(`/v1/library${query({ scope: 'public', q, limit: 24, cursor })}`);

export interface PeopleFilter {
  q: string;
  role: Role | '';
  disabled: '' | 'true' | 'false';
}

export const people = (filter: PeopleFilter, cursor: string | null) =>
  ask<Page<AdminUser>>(`/v1/admin/users${query({ ...filter, cursor })}`);

export const editPerson = (id: string, changes: { role?: Role; disabled?: boolean }) =>
  ask<AdminUser>(`/v1/admin/users/${id}`, { method: 'PATCH', json: changes });

export const deletePerson = (id: string) => send(`/v1/admin/users/${id}`, { method: 'DELETE' });

export const signOutPerson = (id: string) => send(`/v1/admin/users/${id}/sign-out`, { method: 'POST' });

export const dropFactors = (id: string) => send(`/v1/admin/users/${id}/factors`, { method: 'DELETE' });

export const accountRules = () => ask<AccountRules & { changed_at: string | null }>('/v1/admin/accounts');

export const setAccountRules = (rules: AccountRules) =>
  ask<AccountRules & { changed_at: string | null }>('/v1/admin/accounts', { method: 'PUT', json: rules });

export const retention = () => ask<Retention & { changed_at: string | null }>('/v1/admin/retention');

export const setRetention = (rules: Retention) =>
  ask<Retention & { changed_at: string | null }>('/v1/admin/retention', { method: 'PUT', json: rules });

export const mails = (cursor: string | null) =>
  ask<{ items: Mail[]; next_cursor: string | null }>(`/v1/admin/mails${query({ cursor })}`);

export const mail = (id: string) => ask<Mail & { text: string | null }>(`/v1/admin/mails/${id}`);

export interface AuditFilter {
  action: string;
  result: string;
  person: string;
  since: string;
  until: string;
}

export const audit = (filter: AuditFilter, cursor: number | null) =>
  ask<{ items: AuditEntry[]; next_cursor: number | null }>(`/v1/admin/audit${query({ ...filter, cursor })}`);

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
  group_id?: string;
  expires_at?: string | null;
}

/** Change a recording or clip. Refused with 412 where `version` is no longer the current one; `*` is any. */
export const editMedia = (id: string, version: number | '*', edit: MediaEdit) =>
  ask<Media>(`/v1/library/${id}`, {
    method: 'PATCH',
    json: edit,
    headers: { 'If-Match': version === '*' ? '*' : `"${version}"` },
  });

/** Like what one may see, or no longer. */
export const setLiked = (id: string, liked: boolean) =>
  ask<Media>(`/v1/library/${id}/like`, { method: liked ? 'PUT' : 'DELETE' });

export const deleteMedia = (id: string) => send(`/v1/library/${id}`, { method: 'DELETE', keepalive: true });

export const importUrl = (url: string, wishes: Wishes) =>
  create<{ id: string }>('/v1/imports', { url, wishes });

export const cancelImport = (id: string) => send(`/v1/imports/${id}`, { method: 'DELETE' });

export const transcript = (id: string) => ask<Transcript>(`/v1/media/${id}/transcript`);

const matching = (tag: string) => ({ 'If-Match': `"${tag}"` });

export const changeTranscript = (id: string, tag: string, change: TranscriptChange) =>
  ask<Transcript>(`/v1/media/${id}/transcript/edits`, { method: 'POST', json: change, headers: matching(tag) });

/** Take the last change back, or make the one again that was taken back last. */
export const stepTranscript = (id: string, tag: string, step: 'undo' | 'redo') =>
  ask<Transcript>(`/v1/media/${id}/transcript/${step}`, { method: 'POST', headers: matching(tag) });

export const transcriptChanges = (id: string) => ask<MadeChange[]>(`/v1/media/${id}/transcript/edits`);

export const searchTranscripts = (q: string, cursor: string | null) =>
  ask<Omit<Page<TranscriptHit>, 'total'>>(`/v1/transcripts/search${query({ q, cursor })}`);

export type TranscriptFile = 'vtt' | 'srt' | 'ttml' | 'ass' | 'txt' | 'md' | 'words.json';

export const captionsUrl = (id: string, format: TranscriptFile) => `/api/v1/media/${id}/transcript.${format}`;

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

/** Make a key, good for some days, or (null) until it is revoked. */
export const createApiKey = (name: string, scopes: Scope[], days: number | null) =>
  create<ApiKey & { key: string }>('/v1/auth/api-keys', { name, scopes, ...(days === null ? {} : { days }) });

export const revokeApiKey = (id: string) => send(`/v1/auth/api-keys/${id}`, { method: 'DELETE' });

export const system = () => ask<SystemReport>('/v1/system');
