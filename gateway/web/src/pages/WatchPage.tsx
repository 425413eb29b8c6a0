import { useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { setLiked } from '../api/endpoints';
import { isAway, Problem } from '../api/http';
import type { Media } from '../api/types';
import { ago, length } from '../format/time';
import { useMedia, usePlayback } from '../media/queries';
import { useUser } from '../session';
import { Away, Trouble } from '../ui/Away';
import { Icon } from '../ui/icons';
import { useAction } from '../ui/useAction';
import { usePageTitle } from '../ui/usePageTitle';
import './groups/groups.css';
import { NotFoundPage } from './NotFoundPage';

/** A recording or clip that somebody shows one: to watch and to like. */
export function WatchPage() {
  const { id = '' } = useParams();
  const { data, error } = useMedia(id);
  if (error && !data) {
    if (isAway(error)) return <Away what="This is" />;
    if (error instanceof Problem && [404, 422].includes(error.status)) return <NotFoundPage />;
    throw error;
  }
  if (!data) return <div className="splash" aria-busy="true" />;
  return <Watch key={id} media={data} />;
}

function Watch({ media }: { media: Media }) {
  usePageTitle(media.title);
  const user = useUser();
  const client = useQueryClient();
  const { data, error } = usePlayback(media.id, media.media_type !== null || media.kind === 'clip');
  const like = useAction(
    () => setLiked(media.id, !media.liked),
    (changed) => client.setQueryData(['media', media.id], changed),
  );
  const own = media.owner_id === user.id;
  const recording = media.kind === 'clip' ? media.parent_id : media.id;
  return (
    <article className="narrow watch">
      <header className="page-head">
        <h1>{media.title}</h1>
        {media.description && <p>{media.description}</p>}
      </header>
      <div className="watch-screen">
        {!data ? (
          error && <Trouble what="Playing is" error={error} />
        ) : data.mime.startsWith('audio/') ? (
          <audio src={data.url} controls data-testid="player" />
        ) : (
          <video src={data.url} poster={data.poster_url ?? undefined} controls playsInline data-testid="player" />
        )}
      </div>
      <p className="watch-line">
        <button
          type="button"
          className={media.liked ? 'button button-small button-primary' : 'button button-small'}
          aria-pressed={media.liked}
          disabled={like.pending}
          onClick={() => like.run(undefined)}
        >
          <Icon name="heart" size={16} /> {media.likes === 1 ? '1 like' : `${media.likes} likes`}
        </button>
        {media.duration !== null && <span>{length(media.duration)}</span>}
        <span>{ago(media.created_at)}</span>
        {own && recording && <Link to={`/recordings/${recording}`}>Open in your library</Link>}
      </p>
    </article>
  );
}
