import { isAway } from '../api/http';
import { Icon } from './icons';

interface AwayProps {
  /** What is missing, with its verb: "The transcript is". */
  what: string;
  /** Something older is shown beside this. */
  stale?: boolean;
}

/** Says that one part of a page is not there right now. What asks for it asks again by itself. */
export function Away({ what, stale = false }: AwayProps) {
  return (
    <p className={stale ? 'away away-stale' : 'away'} role="status" data-testid="away">
      <Icon name="retry" size={16} />
      <span>
        <strong>{what} not available right now.</strong>{' '}
        {stale ? 'What you see may be out of date. Trying again…' : 'Trying again…'}
      </span>
    </p>
  );
}

interface TroubleProps extends AwayProps {
  error: Error | null;
}

/** What came of asking for a part: nothing to say, not there right now, or a refusal in its own words. */
export function Trouble({ what, error, stale = false }: TroubleProps) {
  if (!error) return null;
  if (isAway(error)) return <Away what={what} stale={stale} />;
  return stale ? null : <p className="form-problem">{error.message}</p>;
}
