import { useEffect, useRef, useState } from 'react';
import type { Media } from '../api/types';
import { Icon } from '../ui/icons';
import { usePlayback } from './queries';

interface PosterProps {
  media: Media;
  /** Show this one's picture where the recording has none of its own. */
  fallback?: Media | undefined;
}

/** A still of a recording or clip, fetched when it comes into view; without one, a calm picture made of its id. */
export function Poster({ media, fallback }: PosterProps) {
  const [element, seen] = useSeen<HTMLDivElement>();
  const [broken, setBroken] = useState<string | null>(null);
  const own = usePlayback(media.id, seen && hasPicture(media)).data?.poster_url ?? null;
  const other = usePlayback(fallback?.id ?? '', seen && own === null && fallback !== undefined).data?.poster_url ?? null;
  const url = own ?? other;
  const shown = url !== null && url !== broken;
  return (
    <div ref={element} className={`poster art-${artOf(media.id)}`}>
      {shown ? (
        <>
          <img className="poster-blur" src={url} alt="" loading="lazy" />
          <img src={url} alt="" loading="lazy" onError={() => setBroken(url)} />
        </>
      ) : (
        <Icon name={media.kind === 'clip' ? 'clip' : media.media_type === 'audio' ? 'wave' : 'video'} size={34} />
      )}
    </div>
  );
}

function hasPicture(media: Media): boolean {
  if (media.kind === 'clip') return media.status === 'ready';
  return media.media_type === 'video' && media.status !== 'rejected' && !media.original_dropped_at;
}

/** One of six pictures, always the same for the same id. */
function artOf(id: string): number {
  return Array.from(id).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7) % 6;
}

function useSeen<E extends Element>() {
  const element = useRef<E>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !element.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setSeen(true);
      },
      { rootMargin: '200px' },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [seen]);
  return [element, seen] as const;
}
