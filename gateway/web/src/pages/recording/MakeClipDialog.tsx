import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { makeClip } from '../../api/endpoints';
import { isAway } from '../../api/http';
import type { Media, Preset } from '../../api/types';
import { clock, length, parseClock } from '../../format/time';
import { usePlayer } from '../../media/player';
import { usePresets } from '../../media/queries';
import { Dialog } from '../../ui/Dialog';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';
import type { Draft } from './RecordingPage';

const SHORTEST = 1; // seconds

interface MakeClipDialogProps {
  media: Media;
  draft: Draft;
  onClose: () => void;
}

/** Choose the span and the look of a clip, and have it rendered. */
export function MakeClipDialog({ media, draft, onClose }: MakeClipDialogProps) {
  const client = useQueryClient();
  const toast = useToast();
  const player = usePlayer();
  const looks = usePresets();
  const presets = looks.data ?? [];
  const [title, setTitle] = useState(draft.title);
  const [start, setStart] = useState(draft.start);
  const [end, setEnd] = useState(draft.end);
  const [preset, setPreset] = useState(media.media_type === 'audio' ? 'audiogram' : 'shorts');
  const longest = presets.find((one) => one.preset === preset)?.longest ?? Infinity;
  const problem = spanProblem(start, end, media.duration, longest);

  const make = useAction(
    () => makeClip({ media_id: media.id, start, end, preset, ...(title.trim() ? { title: title.trim() } : {}) }),
    () => {
      toast({ text: 'The clip is being rendered.', tone: 'good' });
      void client.invalidateQueries({ queryKey: ['library'] });
      onClose();
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (!problem) make.run(undefined);
  }

  return (
    <Dialog title="Make a clip" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>Title</span>
          <input value={title} maxLength={200} onChange={(event) => setTitle(event.target.value)} />
        </label>
        <Trouble what="Rendering is" error={looks.error} />
        {presets.length > 0 && <PresetPicker presets={presets} value={preset} onChange={setPreset} />}
        <div className="span-fields">
          <SpanField label="Start" value={start} onChange={setStart} onHere={() => setStart(player.time())} />
          <SpanField label="End" value={end} onChange={setEnd} onHere={() => setEnd(player.time())} />
        </div>
        <p className={problem ? 'span-note bad' : 'span-note'} role="status">
          {problem ?? `${length(end - start)} long`}
        </p>
        <footer className="dialog-foot">
          <button type="button" className="button" disabled={Boolean(problem)} onClick={() => player.playSpan(start, end)}>
            <Icon name="play" size={14} /> Listen to it
          </button>
          <button type="submit" className="button button-primary" disabled={make.pending || Boolean(problem) || isAway(looks.error)}>
            Render clip
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function spanProblem(start: number, end: number, duration: number | null, longest: number): string | null {
  if (end - start < SHORTEST) return 'The end must be at least a second after the start.';
  if (duration !== null && end > duration + 0.05) return `The recording ends at ${clock(duration, true)}.`;
  if (end - start > longest) return `This look takes ${length(longest)} at most.`;
  return null;
}

interface SpanFieldProps {
  label: string;
  value: number;
  onChange: (value: number) => void;
  onHere: () => void;
}

/** A position: typed, nudged by half a second, or taken from where the player stands. */
function SpanField({ label, value, onChange, onHere }: SpanFieldProps) {
  const [text, setText] = useState<string | null>(null); // what is being typed
  const nudge = (by: number) => onChange(Math.max(0, Math.round((value + by) * 10) / 10));

  function typed(): void {
    const parsed = parseClock(text ?? '');
    if (parsed !== null) onChange(parsed);
    setText(null);
  }

  return (
    <fieldset className="span-field">
      <legend>{label}</legend>
      <button type="button" className="icon-button" aria-label={`${label} half a second earlier`} onClick={() => nudge(-0.5)}>
        −
      </button>
      <input
        aria-label={label}
        inputMode="decimal"
        value={text ?? clock(value, true)}
        onChange={(event) => setText(event.target.value)}
        onBlur={typed}
        onKeyDown={(event) => {
          if (event.key === 'ArrowUp') nudge(0.5);
          if (event.key === 'ArrowDown') nudge(-0.5);
        }}
      />
      <button type="button" className="icon-button" aria-label={`${label} half a second later`} onClick={() => nudge(0.5)}>
        +
      </button>
      <button type="button" className="button button-small button-quiet" onClick={onHere}>
        At playhead
      </button>
    </fieldset>
  );
}

interface PresetPickerProps {
  presets: Preset[];
  value: string;
  onChange: (preset: string) => void;
}

function PresetPicker({ presets, value, onChange }: PresetPickerProps) {
  return (
    <fieldset className="preset-picker">
      <legend>Look</legend>
      {presets.map((preset) => (
        <label key={preset.preset} className="preset">
          <input
            type="radio"
            name="preset"
            checked={preset.preset === value}
            onChange={() => onChange(preset.preset)}
          />
          <span className="preset-frame" style={{ aspectRatio: `${preset.width} / ${preset.height}` }} aria-hidden="true" />
          {preset.label}
        </label>
      ))}
    </fieldset>
  );
}
