import { Icon } from '../ui/icons';
import { useLiveState } from './liveState';

/** Beside what usually changes by itself: says when it doesn't at the moment. */
export function LiveNote() {
  if (useLiveState() !== 'lost') return null;
  return (
    <p className="away away-stale away-late" role="status" data-testid="not-live">
      <Icon name="retry" size={16} />
      <span>Live updates are interrupted. Reconnecting…</span>
    </p>
  );
}
