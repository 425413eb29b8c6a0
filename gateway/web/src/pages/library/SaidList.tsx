import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { searchTranscripts } from '../../api/endpoints';
import type { TranscriptHit } from '../../api/types';
import { clock } from '../../format/time';
import { useMedia } from '../../media/queries';
import { Trouble } from '../../ui/Away';

/** Where the words that are searched for were said: one list for each recording, each sentence a link to its time. */
export function SaidList({ q }: { q: string }) {
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['said', q],
    queryFn: ({ pageParam }) => searchTranscripts(q, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (previous) => previous,
  });
  const hits = data?.pages.flatMap((page) => page.items) ?? [];
  if (error) return <Trouble what="Searching what was said is" error={error} />;
  if (!data) return null;
  return (
    <section className="said" aria-labelledby="said-title">
      <h2 id="said-title">Said in your recordings</h2>
      {hits.length === 0 && <p className="panel-note">Nobody says “{q}” in them.</p>}
      {[...Map.groupBy(hits, (hit) => hit.media_id)].map(([id, inside]) => (
        <Recording key={id} id={id} hits={inside} />
      ))}
      {hasNextPage && (
        <button type="button" className="button load-more" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? 'Loading…' : 'Load more'}
        </button>
      )}
    </section>
  );
}

function Recording({ id, hits }: { id: string; hits: TranscriptHit[] }) {
  const { data } = useMedia(id);
  return (
    <article className="said-in">
      <h3>{data?.title ?? '…'}</h3>
      <ul>
        {hits.map((hit) => (
          <li key={hit.segment}>
            <Link to={`/recordings/${id}?at=${hit.at}`}>
              <span className="said-time">{clock(hit.at)}</span>
              <span>
                {hit.speaker && <span className="said-by">{hit.speaker}: </span>}
                <Words hit={hit} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </article>
  );
}

function Words({ hit }: { hit: TranscriptHit }) {
  const found = new Set(hit.words);
  return hit.text.split(' ').map((word, index) => (
    // The words of a sentence never change places.
    <span key={index}>{found.has(index) ? <mark>{word}</mark> : word} </span>
  ));
}
