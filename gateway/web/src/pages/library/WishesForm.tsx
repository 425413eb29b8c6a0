import { useId } from 'react';
import type { Wishes } from '../../api/types';
import { usePresets } from '../../media/queries';
import { useWishes } from '../../uploads/uploadContext';

const LENGTHS = [
  { title: 'Short, 8 to 30 s', min: 8, max: 30 },
  { title: 'Usual, 15 to 60 s', min: 15, max: 60 },
  { title: 'Long, 45 s to 3 min', min: 45, max: 180 },
] as const;

const USUAL = LENGTHS[1];

const LANGUAGES = ['ar', 'de', 'en', 'es', 'fr', 'he', 'hi', 'it', 'ja', 'ko', 'nl', 'pl', 'pt', 'ru', 'tr', 'uk', 'zh'];

/** What to ask for with the next recordings. */
export function WishesForm() {
  const [wishes, setWishes] = useWishes();
  const presets = usePresets().data ?? [];
  const ids = useId();
  const length = LENGTHS.find((one) => one.min === wishes.min_duration) ?? USUAL;

  function change(part: Wishes): void {
    const next = { ...wishes, ...part };
    setWishes(Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '')));
  }

  return (
    <div className="wishes">
      <label className="field">
        <span>Clips</span>
        <input
          type="number"
          min={1}
          max={50}
          value={wishes.count ?? 3}
          onChange={(event) => change({ count: clamp(event.target.valueAsNumber, 1, 50) })}
        />
      </label>
      <label className="field">
        <span>Look</span>
        <select value={wishes.preset ?? ''} onChange={(event) => change({ preset: event.target.value })}>
          <option value="">What fits the recording</option>
          {presets.map((preset) => (
            <option key={preset.preset} value={preset.preset}>
              {preset.label} ({preset.width}×{preset.height})
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Length</span>
        <select
          value={length.title}
          onChange={(event) => {
            const chosen = LENGTHS.find((one) => one.title === event.target.value) ?? USUAL;
            change({ min_duration: chosen.min, max_duration: chosen.max });
          }}
        >
          {LENGTHS.map((one) => (
            <option key={one.title}>{one.title}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Language</span>
        <select value={wishes.language ?? ''} onChange={(event) => change({ language: event.target.value })}>
          <option value="">Detect</option>
          {LANGUAGES.map((code) => (
            <option key={code} value={code}>
              {languageName(code)}
            </option>
          ))}
        </select>
      </label>
      <label className="field wishes-prompt">
        <span>What to look for</span>
        <input
          maxLength={500}
          placeholder="funny stories, advice for beginners, anything about the bridge"
          aria-describedby={`${ids}-note`}
          value={wishes.prompt ?? ''}
          onChange={(event) => change({ prompt: event.target.value })}
        />
        <small id={`${ids}-note`}>These go with every recording that you hand in from here on.</small>
      </label>
    </div>
  );
}

function clamp(value: number, least: number, most: number): number {
  return Number.isNaN(value) ? least : Math.min(most, Math.max(least, Math.round(value)));
}

function languageName(code: string): string {
  return new Intl.DisplayNames('en', { type: 'language' }).of(code) ?? code;
}
