import { useEffect, useState } from 'react';
import type { LibraryFilter } from '../../api/endpoints';
import type { Media } from '../../api/types';
import { useLibrary } from '../../media/queries';
import { LiveNote } from '../../live/LiveNote';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useStored } from '../../ui/stored';
import { usePageTitle } from '../../ui/usePageTitle';
import { useUploads } from '../../uploads/uploadContext';
import { Intake } from './Intake';
import { MediaCard } from './MediaCard';
import { SaidList } from './SaidList';
import { UnfinishedUploads } from './UnfinishedUploads';
import { UploadList } from './UploadList';
import './library.css';

type Kind = LibraryFilter['kind'];
type Layout = 'grid' | 'list';

/** Home: hand in a recording, and find everything that was. */
export function LibraryPage() {
  usePageTitle('Library');
  const [kind, setKind] = useState<Kind>('recording');
  const [search, setSearch] = useState('');
  const [layout, setLayout] = useStored<Layout>('clipstead.layout', 'grid');
  const q = useSettled(search.trim());
  const list = useLibrary({ kind, q });
  const clips = useLibrary({ kind: 'clip' });
  const uploading = new Set(useUploads().map((upload) => upload.mediaId));

  // An upload that runs here is shown with its controls above, not a second time as a card.
  const items = list.data?.pages.flatMap((page) => page.items).filter((item) => !uploading.has(item.id)) ?? [];
  const total = list.data?.pages[0]?.total ?? 0;
  const pictures = firstClips(clips.data?.pages.flatMap((page) => page.items) ?? []);

  return (
    <>
      <Intake compact={total > 0 || q !== ''} />
      <UploadList />
      <UnfinishedUploads />
      <section aria-labelledby="library-title" className="library">
        <header className="library-bar">
          <h1 id="library-title">
            Library <span className="count">{total > 0 ? total : ''}</span>
          </h1>
          <div className="segmented" role="group" aria-label="What to show">
            <button type="button" aria-pressed={kind === 'recording'} onClick={() => setKind('recording')}>
              Recordings
            </button>
            <button type="button" aria-pressed={kind === 'clip'} onClick={() => setKind('clip')}>
              Clips
            </button>
          </div>
          <SearchField value={search} onChange={setSearch} />
          <LayoutSwitch layout={layout} onChange={setLayout} />
        </header>
        <Trouble what="The library is" error={list.error} stale={list.data !== undefined} />
        {!list.error && <LiveNote />}
        {list.isSuccess && items.length === 0 && <Nothing kind={kind} q={q} busy={uploading.size > 0} />}
        {list.isPending ? (
          <Skeleton layout={layout} />
        ) : (
          <ul className={`cards cards-${layout}`} data-testid="library">
            {items.map((item) => (
              <MediaCard key={item.id} media={item} picture={pictures.get(item.id)} />
            ))}
          </ul>
        )}
        {list.hasNextPage && (
          <button
            type="button"
            className="button load-more"
            disabled={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {list.isFetchingNextPage ? 'Loading…' : 'Load more'}
          </button>
        )}
      </section>
      {kind === 'recording' && q && <SaidList q={q} />}
    </>
  );
}

function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <label className="search">
      <Icon name="search" size={16} />
      <input
        type="search"
        aria-label="Search titles and words"
        placeholder="Search titles and words"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

function LayoutSwitch({ layout, onChange }: { layout: Layout; onChange: (layout: Layout) => void }) {
  return (
    <div className="segmented segmented-icons" role="group" aria-label="Layout">
      <button type="button" aria-pressed={layout === 'grid'} aria-label="Grid" onClick={() => onChange('grid')}>
        <Icon name="grid" size={16} />
      </button>
      <button type="button" aria-pressed={layout === 'list'} aria-label="List" onClick={() => onChange('list')}>
        <Icon name="list" size={16} />
      </button>
    </div>
  );
}

function Nothing({ kind, q, busy }: { kind: Kind; q: string; busy: boolean }) {
  if (busy && kind === 'recording') return null;
  if (q) {
    return (
      <div className="empty">
        <Icon name="search" size={34} />
        <h2>No title holds “{q}”</h2>
        <p>{kind === 'clip' ? 'Only titles of clips are searched. Try fewer letters.' : 'What was said is searched below.'}</p>
      </div>
    );
  }
  return (
    <div className="empty">
      <Icon name={kind === 'clip' ? 'clip' : 'wave'} size={34} />
      <h2>{kind === 'clip' ? 'No clips yet' : 'Your recordings will live here'}</h2>
      <p>
        {kind === 'clip'
          ? 'They appear as soon as the first moment of a recording is rendered.'
          : 'Hand one in above. It is checked, transcribed, searched for moments and cut into clips while you watch, and nothing leaves this server.'}
      </p>
    </div>
  );
}

function Skeleton({ layout }: { layout: Layout }) {
  return (
    <div className={`cards cards-${layout}`} aria-busy="true" aria-label="Loading the library">
      {Array.from({ length: 6 }, (_, index) => (
        <div key={index} className="card skeleton" />
      ))}
    </div>
  );
}

/** The best ready clip of each recording. */
function firstClips(clips: Media[]): Map<string, Media> {
  const found = new Map<string, Media>();
  for (const clip of clips) {
    if (clip.parent_id === null || clip.status !== 'ready') continue;
    const best = found.get(clip.parent_id);
    if (!best || (clip.score ?? 0) > (best.score ?? 0)) found.set(clip.parent_id, clip);
  }
  return found;
}

/** A value once it has stopped changing for a moment, so that typing doesn't ask the server for every letter. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 250);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
