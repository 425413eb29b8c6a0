import { useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import type { Media, Moment } from '../../api/types';
import { clock, date } from '../../format/time';
import { usePlayer, usePosition } from '../../media/player';
import { usePlayback } from '../../media/queries';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';

interface RecordingPlayerProps {
  media: Media;
  moments: Moment[];
}

/** Plays the recording as it was handed in, over a strip that shows where its moments lie. */
export function RecordingPlayer({ media, moments }: RecordingPlayerProps) {
  const player = usePlayer();
  const playable = media.media_type !== null && media.status !== 'rejected' && !media.original_dropped_at;
  const { data, error, refetch } = usePlayback(media.id, playable);
  // What plays keeps its address: a fresh grant would begin from the start.
  const [kept, setKept] = useState<string | null>(null);
  const src = kept ?? data?.url;
  const [search] = useSearchParams();
  const at = Number(search.get('at') ?? 0);
  const ready = src !== undefined;

  // Whoever comes from a search begins where it was said.
  useEffect(() => {
    if (ready && at > 0) player.place(at);
  }, [player, ready, at]);

  async function renew(): Promise<void> {
    const position = player.time();
    const { data: fresh } = await refetch();
    if (!fresh || fresh.url === src) return;
    setKept(fresh.url);
    if (position > 0) player.seek(position);
  }

  if (!playable || (error && !src)) return <Unplayable media={media} error={error} />;
  const shared = {
    ref: player.attach,
    src,
    controls: true,
    preload: 'metadata' as const,
    onPlay: () => setKept(src ?? null),
    onError: () => void renew(),
  };
  return (
    <section className="player" aria-label="Player">
      {media.media_type === 'audio' ? (
        <div className="player-sound">
          <Icon name="wave" size={48} />
          <audio {...shared} data-testid="player" />
        </div>
      ) : (
        <video {...shared} playsInline poster={data?.poster_url ?? undefined} data-testid="player" />
      )}
      {media.duration !== null && moments.length > 0 && <MomentStrip duration={media.duration} moments={moments} />}
    </section>
  );
}

function Unplayable({ media, error }: { media: Media; error: Error | null }) {
  return (
    <section className="player player-none" aria-label="Player">
      <Icon name={media.media_type === 'audio' ? 'wave' : 'video'} size={40} />
      {error ? (
        <Trouble what="Playing is" error={error} />
      ) : (
        <p>{whyNot(media)}</p>
      )}
    </section>
  );
}

function whyNot(media: Media): string {
  if (media.original_dropped_at) {
    const when = date(media.original_dropped_at);
    return `The original was removed on ${when}, as this platform keeps originals for a limited time. Transcript and clips stay.`;
  }
  return media.status === 'rejected' ? 'There is nothing to play.' : 'It can be played once it has been received and checked.';
}

function MomentStrip({ duration, moments }: { duration: number; moments: Moment[] }) {
  const player = usePlayer();
  const tenths = usePosition((time) => Math.round((time / duration) * 1000));
  return (
    <div className="strip" role="group" aria-label="Where the moments lie">
      {moments.map((moment) => (
        <button
          key={moment.id}
          type="button"
          className="strip-moment"
          style={{
            left: `${(moment.start / duration) * 100}%`,
            width: `${((moment.end - moment.start) / duration) * 100}%`,
          }}
          aria-label={`Play moment ${moment.rank}, ${clock(moment.start)} to ${clock(moment.end)}: ${moment.title}`}
          title={moment.title}
          onClick={() => player.playSpan(moment.start, moment.end)}
        />
      ))}
      <span className="strip-head" style={{ left: `${tenths / 10}%` }} />
    </div>
  );
}
