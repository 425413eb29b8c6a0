import { retryClip } from '../../api/endpoints';
import type { Media } from '../../api/types';
import { fraction, progressLine, running } from '../../format/stages';
import { clock } from '../../format/time';
import { usePlayer } from '../../media/player';
import { usePresetLabel } from '../../media/queries';
import { Poster } from '../../media/Poster';
import { StatusChip } from '../../media/StatusChip';
import { useDelete } from '../../media/useDelete';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { Progress } from '../../ui/Progress';
import { useAction } from '../../ui/useAction';
import { CopyLinkButton, DownloadLink } from './clipActions';
import type { Draft } from './RecordingPage';

const DRAFT_LENGTH = 30; // seconds

interface ClipGridProps {
  media: Media;
  /** Undefined while nothing was read. */
  clips: Media[] | undefined;
  error: Error | null;
  onOpen: (clip: Media) => void;
  onMake: (draft: Draft) => void;
}

/** The clips of a recording, in the order of their spans. */
export function ClipGrid({ media, clips, error, onOpen, onMake }: ClipGridProps) {
  const player = usePlayer();
  const { duration } = media;
  if (duration === null) return null;
  const inOrder = [...(clips ?? [])].sort((a, b) => (a.start ?? 0) - (b.start ?? 0) || a.created_at.localeCompare(b.created_at));

  function makeHere(of: number): void {
    const start = Math.min(player.time(), Math.max(0, of - DRAFT_LENGTH));
    onMake({ start, end: Math.min(of, start + DRAFT_LENGTH), title: '' });
  }

  return (
    <section aria-labelledby="clips-title" className="clips">
      <header className="section-head">
        <h2 id="clips-title">
          Clips <span className="count">{inOrder.length > 0 ? inOrder.length : ''}</span>
        </h2>
        <button type="button" className="button button-small" onClick={() => makeHere(duration)}>
          <Icon name="plus" size={16} /> New clip
        </button>
      </header>
      <Trouble what="The clips are" error={error} stale={clips !== undefined} />
      {inOrder.length === 0 ? (
        !error && (
          <p className="panel-note">
            {clips ? 'Clips of the best moments appear here. You can also cut one by hand.' : 'Loading…'}
          </p>
        )
      ) : (
        <ul className="clip-grid" data-testid="clips">
          {inOrder.map((clip) => (
            <ClipCard key={clip.id} clip={clip} onOpen={() => onOpen(clip)} />
          ))}
        </ul>
      )}
    </section>
  );
}

function ClipCard({ clip, onOpen }: { clip: Media; onOpen: () => void }) {
  const remove = useDelete();
  const preset = usePresetLabel(clip.preset);
  const ready = clip.status === 'ready';
  return (
    <li className="clip" data-testid="clip" data-status={clip.status}>
      <div className="clip-picture">
        <Poster media={clip} />
        {ready && (
          <button type="button" className="clip-play" aria-label={`Play ${clip.title}`} onClick={onOpen}>
            <span>
              <Icon name="play" size={22} />
            </span>
          </button>
        )}
        {clip.duration !== null && <span className="badge">{clock(clip.duration)}</span>}
      </div>
      <div className="clip-words">
        <h3 className="clipped" title={clip.title}>
          {clip.title}
        </h3>
        <p className="clip-span">
          {clip.start !== null && clip.end !== null && `${clock(clip.start)} – ${clock(clip.end)}`}
          <span className="clipped">{preset}</span>
        </p>
        {ready ? (
          <div className="clip-actions">
            <CopyLinkButton media={clip} />
            <DownloadLink media={clip} />
            <Menu label={`More for ${clip.title}`} button="⋯">
              <button type="button" className="menu-item" onClick={onOpen}>
                <Icon name="link" /> Links and details
              </button>
              <button type="button" className="menu-item bad" onClick={() => remove(clip)}>
                <Icon name="trash" /> Delete
              </button>
            </Menu>
          </div>
        ) : (
          <ClipState clip={clip} onDelete={() => remove(clip)} />
        )}
      </div>
    </li>
  );
}

function ClipState({ clip, onDelete }: { clip: Media; onDelete: () => void }) {
  const retry = useAction(() => retryClip(clip.id));
  const stage = running(clip);
  if (clip.status === 'failed') {
    return (
      <div className="clip-failed">
        <p>{clip.problem?.detail ?? 'It could not be rendered.'}</p>
        <button type="button" className="button button-small" disabled={retry.pending} onClick={() => retry.run(undefined)}>
          <Icon name="retry" size={14} /> Try again
        </button>
        <button type="button" className="button button-small button-quiet" onClick={onDelete}>
          Delete
        </button>
      </div>
    );
  }
  return (
    <div className="clip-busy">
      <StatusChip media={clip} />
      {stage && (
        <>
          <Progress value={fraction(stage)} label={`Rendering ${clip.title}`} />
          <span className="card-note">{progressLine(stage)}</span>
        </>
      )}
    </div>
  );
}
