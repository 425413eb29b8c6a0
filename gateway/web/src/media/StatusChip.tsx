import type { Media } from '../api/types';
import { STATUS_TITLES, working } from '../format/stages';

/** Where a recording or clip stands, in a word. */
export function StatusChip({ media }: { media: Media }) {
  const tone = media.status === 'ready' ? 'good' : working(media) ? 'busy' : media.status === 'dropped' ? 'plain' : 'bad';
  const waiting = media.status === 'rendering' && media.stages.every((stage) => stage.state === 'waiting');
  return <span className={`chip chip-${tone}`}>{waiting ? 'Waiting' : STATUS_TITLES[media.status]}</span>;
}
