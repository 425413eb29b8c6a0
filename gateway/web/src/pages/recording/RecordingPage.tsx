import { useState } from 'react';
import { Link, Navigate, useNavigate, useParams, useSearchParams } from 'react-router';
import { isAway, Problem } from '../../api/http';
import type { Media, Moment } from '../../api/types';
import { remedy } from '../../format/stages';
import { ago, length } from '../../format/time';
import { Player, PlayerContext } from '../../media/player';
import { useLibrary, useMedia, useMoments } from '../../media/queries';
import { StatusChip } from '../../media/StatusChip';
import { useDelete } from '../../media/useDelete';
import { LiveNote } from '../../live/LiveNote';
import { useUser } from '../../session';
import { Away, Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { usePageTitle } from '../../ui/usePageTitle';
import { NotFoundPage } from '../NotFoundPage';
import { ClipDialog } from './ClipDialog';
import { ClipGrid } from './ClipGrid';
import { Expiry } from './Expiry';
import { MakeClipDialog } from './MakeClipDialog';
import { MomentList } from './MomentList';
import { RecordingPlayer } from './RecordingPlayer';
import { StageTimeline } from './StageTimeline';
import { TitleEditor } from './TitleEditor';
import { TranscriptPanel } from './TranscriptPanel';
import { WhoSees } from './WhoSees';
import './recording.css';

/** One recording: how far it is, what was said, what is worth sharing, and the clips cut from it. */
export function RecordingPage() {
  const { id = '' } = useParams();
  const user = useUser();
  const { data, error } = useMedia(id);
  if (error && !data) {
    if (isAway(error)) return <Away what="This recording is" />;
    if (error instanceof Problem && [404, 422].includes(error.status)) return <NotFoundPage />;
    throw error;
  }
  if (!data) return <div className="splash" aria-busy="true" />;
  // Somebody else's is there to be watched, not to be worked on.
  if (data.owner_id !== user.id) return <Navigate to={`/watch/${id}`} replace />;
  return <Recording key={id} media={data} error={error} />;
}

/** The span that a clip is to be made of, as it was found or picked. */
export type Draft = Pick<Moment, 'start' | 'end' | 'title'>;

function Recording({ media, error }: { media: Media; error: Error | null }) {
  usePageTitle(media.title);
  const [player] = useState(() => new Player());
  const [draft, setDraft] = useState<Draft | null>(null);
  const [search, setSearch] = useSearchParams();
  const moments = useMoments(media);
  const list = useLibrary({ kind: 'clip', parentId: media.id, limit: 100 });
  const clips = list.data?.pages.flatMap((page) => page.items);
  const opened = clips?.find((clip) => clip.id === search.get('clip'));
  const open = (clip: Media | null) => setSearch(clip ? { clip: clip.id } : {}, { replace: true });

  return (
    <PlayerContext value={player}>
      <Head media={media} />
      {error ? <Trouble what="The library is" error={error} stale /> : <LiveNote />}
      <StageTimeline media={media} />
      <div className="recording">
        <div className="recording-main">
          <RecordingPlayer media={media} moments={moments.data?.items ?? []} />
          <ClipGrid media={media} clips={clips} error={list.error} onOpen={open} onMake={setDraft} />
          <MomentList media={media} moments={moments.data?.items} error={moments.error} onMake={setDraft} />
        </div>
        <TranscriptPanel media={media} />
      </div>
      {draft && <MakeClipDialog media={media} draft={draft} onClose={() => setDraft(null)} />}
      {opened && <ClipDialog clip={opened} onClose={() => open(null)} />}
    </PlayerContext>
  );
}

function Head({ media }: { media: Media }) {
  const remove = useDelete();
  const navigate = useNavigate();
  return (
    <header className="recording-head">
      <Link to="/" className="back-link">
        <Icon name="back" size={16} /> Library
      </Link>
      <div className="recording-title">
        <TitleEditor media={media} />
        <Menu label="Actions for this recording" button="⋯">
          <button
            type="button"
            className="menu-item bad"
            onClick={() => {
              remove(media);
              void navigate('/');
            }}
          >
            <Icon name="trash" /> Delete with its clips
          </button>
        </Menu>
      </div>
      <p className="recording-facts">
        <StatusChip media={media} />
        {media.duration !== null && <span>{length(media.duration)}</span>}
        <span>{ago(media.created_at)}</span>
        <WhoSees media={media} />
        <Expiry media={media} />
        {media.origin?.kind === 'import' && (
          <a href={media.origin.url} rel="noreferrer noopener" target="_blank">
            {hostOf(media.origin.url)}
          </a>
        )}
        <QualityBadge media={media} />
      </p>
      {media.problem && (
        <p className="callout" role="alert">
          <Icon name="alert" />
          <span>
            <strong>{media.problem.detail}</strong> {remedy(media.problem)}
          </span>
        </p>
      )}
    </header>
  );
}

const ENGINES: Record<string, string> = { pocketsphinx: 'PocketSphinx', 'faster-whisper': 'Whisper' };

/** Says plainly how good the transcript can be. */
function QualityBadge({ media }: { media: Media }) {
  const { transcript } = media;
  if (!transcript) return null;
  const engine = ENGINES[transcript.engine] ?? transcript.engine;
  if (transcript.quality === 'draft') {
    return (
      <span className="quality">
        <span className="chip chip-warm">Draft quality: {engine}</span>
        <Link to="/system">How to improve it</Link>
      </span>
    );
  }
  return (
    <span className="quality">
      Transcribed by {engine} {transcript.model}
    </span>
  );
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
