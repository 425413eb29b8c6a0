/** The pipeline of a recording, in words. Pure. */
import type { Media, MediaProblem, Stage, StageName, Status } from '../api/types';
import { bytes } from './bytes';
import { clock, remaining } from './time';

export const STAGE_TITLES: Record<StageName, string> = {
  receive: 'Receive',
  check: 'Check',
  transcribe: 'Transcribe',
  find: 'Find moments',
  render: 'Render clips',
};

export const STATUS_TITLES: Record<Status, string> = {
  receiving: 'Receiving',
  checking: 'Checking',
  transcribing: 'Transcribing',
  finding: 'Finding moments',
  rendering: 'Rendering',
  ready: 'Ready',
  failed: 'Needs attention',
  rejected: 'Rejected',
  dropped: 'File removed',
};

/** Whether the platform is still at work on it. */
export function working(media: Media): boolean {
  return !['ready', 'failed', 'rejected', 'dropped'].includes(media.status);
}

/** The stage at work now, if any. */
export function running(media: Media): Stage | undefined {
  return media.stages.find((stage) => stage.state === 'running');
}

/** How far a stage is, 0 to 1; null where its total isn't known. */
export function fraction(stage: Stage): number | null {
  if (stage.state === 'done') return 1;
  if (stage.done === null || !stage.total) return null;
  return Math.min(1, Math.max(0, stage.done / stage.total));
}

/**
 * What was done of what there is: `12.4 MB of 80 MB`, `1:02 of 3:00`, `1 of 3 clips`; of a finished stage, what there was.
 * Empty where nothing is known.
 */
export function amount(stage: Stage): string {
  const { done, total, unit } = stage;
  if (done === null || (total === null && done === 0)) return '';
  if (unit === 'steps') {
    const share = fraction(stage);
    return share === null || stage.state === 'done' ? '' : `${Math.round(share * 100)}%`;
  }
  if (total === null) return counted(done, unit);
  if (stage.state === 'done') return counted(total, unit);
  // Of clips the plain number comes first: "1 of 3 clips".
  return `${unit === 'clips' ? Math.floor(done) : counted(done, unit)} of ${counted(total, unit)}`;
}

function counted(value: number, unit: 'bytes' | 'seconds' | 'clips'): string {
  if (unit === 'bytes') return bytes(value);
  if (unit === 'seconds') return clock(value);
  return value === 1 ? '1 clip' : `${Math.floor(value)} clips`;
}

/** Amount and estimate of a running stage in one line. */
export function progressLine(stage: Stage): string {
  const parts = [amount(stage), stage.eta === null ? '' : remaining(stage.eta)];
  return parts.filter(Boolean).join(' · ');
}

const REMEDIES: Record<string, string> = {
  no_audio: 'You can still play it and cut clips by hand.',
  no_speech: 'You can still play it and cut clips by hand.',
  too_short: 'Hand in a longer recording, or cut a clip by hand.',
  unsupported_media: 'Export it again as MP4, MOV, WebM, MP3, M4A or WAV and upload that file.',
  unreadable: 'Export it again as MP4 or MP3 and upload that file.',
  empty: 'Check the file on your computer: it holds no data.',
};

/** What a person can do about a problem, where the problem's own sentence doesn't say it. */
export function remedy(problem: MediaProblem): string {
  const known = REMEDIES[problem.code];
  if (known) return known;
  if (problem.stage === 'receive' || problem.stage === 'check') return 'Try the file again, or another copy of it.';
  return 'The recording is safe. You can still play it and cut clips by hand.';
}
