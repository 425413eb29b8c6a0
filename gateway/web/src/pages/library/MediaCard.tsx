import { Link } from 'react-router';
import type { Media } from '../../api/types';
import { fraction, progressLine, remedy, running, STAGE_TITLES, working } from '../../format/stages';
import { ago, clock } from '../../format/time';
import { Poster } from '../../media/Poster';
import { StatusChip } from '../../media/StatusChip';
import { useDelete } from '../../media/useDelete';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { Progress } from '../../ui/Progress';

interface MediaCardProps {
  media: Media;
  /** A clip whose picture stands in where the recording has none. */
  picture?: Media | undefined;
}

/** A recording or clip in the library, live. */
export function MediaCard({ media, picture }: MediaCardProps) {
  const remove = useDelete();
  const address = media.kind === 'clip' ? `/recordings/${media.parent_id ?? ''}?clip=${media.id}` : `/recordings/${media.id}`;
  return (
    <li className="card" data-testid="media-card" data-status={media.status}>
      <div className="card-picture">
        <Poster media={media} fallback={picture} />
        {media.duration !== null && <span className="badge">{clock(media.duration)}</span>}
      </div>
      <div className="card-body">
        <h3 className="card-title">
          <Link to={address}>{media.title}</Link>
        </h3>
        <Line media={media} />
        <Live media={media} />
      </div>
      <Menu label={`Actions for ${media.title}`} className="icon-button card-menu" button="⋯">
        <button type="button" className="menu-item bad" onClick={() => remove(media)}>
          <Icon name="trash" /> Delete
        </button>
      </Menu>
    </li>
  );
}

function Line({ media }: { media: Media }) {
  const clips = media.clips?.ready ?? 0;
  return (
    <p className="card-line">
      <StatusChip media={media} />
      <span>{ago(media.created_at)}</span>
      {clips > 0 && <span>{clips === 1 ? '1 clip' : `${clips} clips`}</span>}
      {media.score !== null && <span>score {Math.round(media.score * 100)}</span>}
    </p>
  );
}

/** What happens to it right now, or why nothing does. */
function Live({ media }: { media: Media }) {
  if (media.problem) {
    return (
      <p className="card-problem">
        {media.problem.detail} <span>{remedy(media.problem)}</span>
      </p>
    );
  }
  if (!working(media)) return null;
  const stage = running(media);
  if (!stage) return <p className="card-note">Waiting for its turn</p>;
  return (
    <div className="card-live">
      <Progress value={fraction(stage)} label={STAGE_TITLES[stage.name]} />
      <p className="card-note">{progressLine(stage) || STAGE_TITLES[stage.name]}</p>
    </div>
  );
}
