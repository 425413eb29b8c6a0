import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import type { Media, Page } from '../api/types';
import { ago, clock } from '../format/time';
import { Trouble } from '../ui/Away';
import '../pages/library/library.css';
import { Poster } from './Poster';

interface MediaWallProps {
  /** Under which it is kept. */
  name: readonly string[];
  read: (cursor: string | null) => Promise<Page<Media>>;
  /** What is missing while it can't be read, with its verb. */
  what: string;
  /** What to say where there is none. */
  nothing: string;
}

/** Recordings and clips of several people, to be watched. */
export function MediaWall({ name, read, what, nothing }: MediaWallProps) {
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: name,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (previous) => previous,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Trouble what={what} error={error} stale={data !== undefined} />
      {data && items.length === 0 && <p className="panel-note">{nothing}</p>}
      <ul className="cards cards-grid" data-testid="media-wall">
        {items.map((media) => (
          <li key={media.id} className="card">
            <div className="card-picture">
              <Poster media={media} />
              {media.duration !== null && <span className="badge">{clock(media.duration)}</span>}
            </div>
            <div className="card-body">
              <h3 className="card-title">
                <Link to={`/watch/${media.id}`}>{media.title}</Link>
              </h3>
              <p className="card-line">
                <span>{media.kind === 'clip' ? 'Clip' : 'Recording'}</span>
                <span>{ago(media.created_at)}</span>
                {media.likes > 0 && <span>{media.likes === 1 ? '1 like' : `${media.likes} likes`}</span>}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show more
        </button>
      )}
    </>
  );
}
