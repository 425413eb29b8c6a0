/** What the public API answers, as the web app reads it. Times in media are seconds; stamps are RFC 3339 UTC. */

export interface User {
  id: string;
  email: string;
  display_name: string;
  created_at: string;
}

/** The signed-in person, as they see themselves. */
export interface Me extends User {
  email_verified: boolean;
  role: Role;
  language: string;
  year_of_birth: number | null;
  consent_version: string | null;
  has_password: boolean;
  delete_after: string | null;
}

export type Role = 'user' | 'speaker' | 'moderator' | 'admin';

/** What a sign-in may ask for after the password. */
export interface SecondFactor {
  challenge: string;
  methods: ('totp' | 'passkey' | 'recovery')[];
  passkey_options: PublicKeyCredentialRequestOptionsJSON | null;
}

/** A session of one's own. */
export interface Place {
  id: string;
  device: string;
  address: string;
  strong: boolean;
  current: boolean;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
}

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

export interface Factors {
  totp_since: string | null;
  passkeys: Passkey[];
  recovery_codes_left: number;
}

/** The secret of an authenticator app: to be typed, as an address, and as a QR code (SVG). */
export interface Enrolment {
  secret: string;
  uri: string;
  qr: string;
}

/** An identity provider that people may sign in with. */
export interface Provider {
  id: string;
  name: string;
}

export interface Identity {
  id: string;
  provider: string;
  email: string;
  created_at: string;
  last_used_at: string | null;
}

export type GroupRole = 'owner' | 'moderator' | 'member';

/** A circle of friends, as one of its members sees it. */
export interface Group {
  id: string;
  name: string;
  description: string;
  role: GroupRole;
  members: number;
  created_at: string;
}

export interface Member {
  user_id: string;
  display_name: string;
  role: GroupRole;
  joined_at: string;
  avatar: string | null;
}

export interface Invitation {
  id: string;
  email: string | null;
  most_uses: number;
  uses: number;
  expires_at: string;
  created_at: string;
  created_by_name: string;
}

/** What an invitation is to. */
export interface Offer {
  group: { id: string; name: string } | null;
  invited_by: string;
  email: string | null;
  expires_at: string;
  member: boolean;
}

/** A person as administrators see them. */
export interface AdminUser {
  id: string;
  email: string;
  email_verified: boolean;
  display_name: string;
  role: Role;
  disabled_at: string | null;
  delete_after: string | null;
  second_factor: boolean;
  sessions: number;
  groups: number;
  last_seen_at: string | null;
  created_at: string;
}

export interface AccountRules {
  sign_up: 'open' | 'invitation' | 'closed';
  verify_email: boolean;
  admins_need_second_factor: boolean;
}

/** For how many days each kind is kept; null is for ever. */
export interface Retention {
  originals: number | null;
  renditions: number | null;
  imports: number | null;
}

export interface Mail {
  id: string;
  recipient: string;
  subject: string;
  how: 'smtp' | 'file' | null;
  problem: string | null;
  created_at: string;
  sent_at: string | null;
}

export interface AuditEntry {
  position: number;
  at: string;
  action: string;
  result: string;
  actor_id: string | null;
  actor: string;
  delegate: string | null;
  target_id: string | null;
  target: string;
  address: string;
  device: string;
  facts: Record<string, unknown>;
}

export interface Session {
  user: User | null;
  csrf_token: string | null;
}

export type Status =
  | 'receiving'
  | 'checking'
  | 'transcribing'
  | 'finding'
  | 'rendering'
  | 'ready'
  | 'failed'
  | 'rejected'
  | 'dropped'; // of a clip: its file was kept for as long as the platform's rules say

export type StageName = 'receive' | 'check' | 'transcribe' | 'find' | 'render';
export type StageState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped';

export interface Stage {
  name: StageName;
  state: StageState;
  done: number | null;
  total: number | null;
  unit: 'bytes' | 'seconds' | 'clips' | 'steps';
  eta: number | null;
  detail: string | null;
  started_at: string | null;
  finished_at: string | null;
}

export interface MediaProblem {
  stage: string;
  code: string;
  detail: string;
}

export interface Rendition {
  rendition_id: string;
  preset: string;
  width: number;
  height: number;
  duration: number;
  size: number;
  mime: string;
}

export interface TranscriptSummary {
  engine: string;
  model: string;
  quality: 'standard' | 'draft';
  language: string;
  words: number;
  speakers: number;
}

export type Visibility = 'private' | 'group' | 'unlisted' | 'public';

/** A recording, or a clip cut from one (`parent_id`, `start`, `end`). */
export interface Media {
  id: string;
  kind: 'recording' | 'clip';
  parent_id: string | null;
  owner_id: string;
  title: string;
  description: string;
  visibility: Visibility;
  group_id: string | null;
  status: Status;
  problem: MediaProblem | null;
  media_type: 'video' | 'audio' | null;
  duration: number | null;
  width: number | null;
  height: number | null;
  size: number | null;
  start: number | null;
  end: number | null;
  score: number | null;
  reason: string | null;
  preset: string | null;
  transcript: TranscriptSummary | null;
  moments: number | null;
  chosen_by: string | null;
  clips: { planned: number; ready: number; failed: number } | null;
  files: Rendition[];
  stages: Stage[];
  origin: { kind: 'upload' | 'import'; filename: string; url: string } | null;
  /** Since when a recording's own file is gone, as the platform's rules say; all else stays. */
  original_dropped_at: string | null;
  likes: number;
  /** By the one who looks. */
  liked: boolean;
  version: number;
  /** When it will be deleted, if its owner set a time. */
  expires_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total: number;
}

export interface Word {
  text: string;
  start: number;
  end: number;
  confidence: number;
  speaker: string | null;
  mark: 'filler' | 'profanity' | null;
}

export interface Segment {
  id: string;
  text: string;
  start: number;
  end: number;
  speaker: string | null;
  words: Word[];
}

export interface Speaker {
  label: string;
  name: string;
  seconds: number;
  /** A name that they seem to have, and the words that say so. */
  suggestion: { name: string; quote: string } | null;
}

export interface Transcript {
  media_id: string;
  /** Names this state of it in If-Match. */
  tag: string;
  /** False while it is still being heard. */
  complete: boolean;
  edited_at: string | null;
  reviewed_at: string | null;
  engine: string;
  model: string;
  quality: 'standard' | 'draft';
  language: string;
  duration: number;
  segments: Segment[];
  speakers: Speaker[];
  chapters: { start: number; title: string }[];
}

/** Something that is put right in a transcript. */
export type TranscriptChange =
  | { kind: 'text'; segment: string; text: string }
  | { kind: 'speaker'; segment: string; speaker: string | null }
  | { kind: 'split'; segment: string; word: number }
  | { kind: 'merge'; segment: string }
  | { kind: 'replace'; find: string; replace: string; match_case?: boolean; whole_words?: boolean }
  | { kind: 'rename'; speaker: string; name: string }
  | { kind: 'unite'; speaker: string; into: string }
  | { kind: 'review'; reviewed: boolean };

/** A sentence in which something was found. */
export interface TranscriptHit {
  media_id: string;
  segment: string;
  start: number;
  end: number;
  /** When the first word that matches is said, in seconds. */
  at: number;
  speaker: string | null;
  text: string;
  /** Which of the words between spaces match. */
  words: number[];
}

export interface MadeChange {
  number: number;
  kind: string;
  summary: string;
  made_at: string;
  undone: boolean;
}

export interface Moment {
  id: string;
  media_id: string;
  rank: number;
  start: number;
  end: number;
  title: string;
  text: string;
  score: number;
  scores: Record<string, number>;
  reason: string;
}

export interface Playback {
  url: string;
  mime: string;
  expires_at: string;
  width: number | null;
  height: number | null;
  duration: number | null;
  poster_url: string | null;
}

export interface Share {
  id: string;
  url: string | null;
  media_id: string;
  created_at?: string;
  expires_at: string | null;
  views: number;
  revoked_at: string | null;
}

/** A platform's frame. Lengths that it takes are seconds. */
export interface Preset {
  preset: string;
  label: string;
  width: number;
  height: number;
  shortest: number;
  longest: number;
}

export type Scope = 'upload' | 'read' | 'write' | 'admin' | 'delegate';

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  created_at?: string;
  last_used_at?: string | null;
  expires_at: string | null;
}

/** What the owner asks for when handing in a recording. Absent fields take the platform's defaults. */
export interface Wishes {
  count?: number;
  prompt?: string;
  preset?: string;
  language?: string;
  min_duration?: number;
  max_duration?: number;
}
