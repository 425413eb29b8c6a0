import { type SyntheticEvent, useState } from 'react';
import { lookAgain } from '../../api/endpoints';
import type { Media, Moment } from '../../api/types';
import { clock, length } from '../../format/time';
import { usePlayer } from '../../media/player';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { Progress } from '../../ui/Progress';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';
import type { Draft } from './RecordingPage';

interface MomentListProps {
  media: Media;
  /** Undefined while nothing was read. */
  moments: Moment[] | undefined;
  error: Error | null;
  onMake: (draft: Draft) => void;
}

/** The moments that were found, best first, each with its reason. */
export function MomentList({ media, moments, error, onMake }: MomentListProps) {
  const [asking, setAsking] = useState(false);
  const count = moments?.length ?? 0;
  if (!media.transcript) return null;
  return (
    <section aria-labelledby="moments-title" className="moments" data-testid="moments">
      <header className="section-head">
        <h2 id="moments-title">
          Moments <span className="count">{count > 0 ? count : ''}</span>
        </h2>
        <button type="button" className="button button-small" aria-expanded={asking} onClick={() => setAsking(!asking)}>
          <Icon name="spark" size={16} /> Look again
        </button>
      </header>
      {asking && <LookAgain media={media} onAsked={() => setAsking(false)} />}
      <Trouble what="The moments are" error={error} stale={moments !== undefined} />
      {!moments || count === 0 ? (
        !error && <p className="panel-note">{waitingFor(media, moments)}</p>
      ) : (
        <ol className="moment-list">
          {moments.map((moment) => (
            <MomentItem key={moment.id} moment={moment} onMake={() => onMake(moment)} />
          ))}
        </ol>
      )}
    </section>
  );
}

function waitingFor(media: Media, moments: Moment[] | undefined): string {
  if (media.moments === null) return 'They appear here once the transcript was read.';
  return moments ? 'None were found. Look again with other words.' : 'Loading…';
}

function MomentItem({ moment, onMake }: { moment: Moment; onMake: () => void }) {
  const player = usePlayer();
  const percent = Math.round(moment.score * 100);
  return (
    <li className="moment">
      <div className="moment-score" aria-label={`Score ${percent} of 100`} role="img">
        <strong>{percent}</strong>
      </div>
      <div className="moment-words">
        <h3>{moment.title}</h3>
        <p className="moment-span">
          {clock(moment.start)} – {clock(moment.end)} · {length(moment.end - moment.start)}
        </p>
        <p>{moment.reason}</p>
        <details className="moment-why">
          <summary>How the score is made</summary>
          <dl className="scores">
            {Object.entries(moment.scores).map(([name, value]) => (
              <div key={name}>
                <dt>{named(name)}</dt>
                <dd>
                  <Progress value={Math.min(1, Math.max(0, value))} label={named(name)} tone="warm" />
                  <span>{Math.round(value * 100)}</span>
                </dd>
              </div>
            ))}
          </dl>
          <blockquote>{moment.text}</blockquote>
        </details>
        <div className="moment-actions">
          <button type="button" className="button button-small" onClick={() => player.playSpan(moment.start, moment.end)}>
            <Icon name="play" size={14} /> Play this span
          </button>
          <button type="button" className="button button-small" onClick={onMake}>
            <Icon name="clip" size={16} /> Make clip
          </button>
        </div>
      </div>
    </li>
  );
}

function named(dimension: string): string {
  const words = dimension.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function LookAgain({ media, onAsked }: { media: Media; onAsked: () => void }) {
  const toast = useToast();
  const [prompt, setPrompt] = useState('');
  const [count, setCount] = useState(5);
  const ask = useAction(
    () => lookAgain(media.id, { count, ...(prompt.trim() ? { prompt: prompt.trim() } : {}) }),
    () => {
      toast({ text: 'Looking again. New moments appear here.', tone: 'good' });
      onAsked();
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    ask.run(undefined);
  }

  return (
    <form className="look-again" onSubmit={submit}>
      <label className="field">
        <span>What to look for</span>
        <input
          value={prompt}
          maxLength={500}
          placeholder="stories about the winter"
          onChange={(event) => setPrompt(event.target.value)}
        />
      </label>
      <label className="field field-narrow">
        <span>Moments</span>
        <input
          type="number"
          min={1}
          max={50}
          value={count}
          onChange={(event) => setCount(Math.min(50, Math.max(1, Math.round(event.target.valueAsNumber || 1))))}
        />
      </label>
      <button type="submit" className="button button-primary" disabled={ask.pending}>
        Look
      </button>
    </form>
  );
}
