import { type KeyboardEvent, useState } from 'react';
import type { Segment } from '../../api/types';
import type { Changes } from './transcriptChanges';

interface SegmentEditorProps {
  segment: Segment;
  last: boolean;
  changes: Changes;
  onClose: () => void;
}

/** The words of one segment as text. Enter saves, Escape leaves them as they were. */
export function SegmentEditor({ segment, last, changes, onClose }: SegmentEditorProps) {
  const [text, setText] = useState(segment.text);
  const [word, setWord] = useState(0); // how many words stand before the cursor
  const words = wordsOf(text).length;
  const corrected = text.trim() && wordsOf(text).join(' ') !== segment.text;
  const correction = corrected ? [{ kind: 'text' as const, segment: segment.id, text }] : [];

  async function save(): Promise<void> {
    if (correction.length === 0 || (await changes.make(...correction))) onClose();
  }

  async function split(): Promise<void> {
    if (await changes.make(...correction, { kind: 'split', segment: segment.id, word })) onClose();
  }

  async function merge(): Promise<void> {
    if (await changes.make(...correction, { kind: 'merge', segment: segment.id })) onClose();
  }

  function pressed(event: KeyboardEvent): void {
    if (event.key === 'Enter') {
      event.preventDefault();
      void save();
    }
    if (event.key === 'Escape') onClose();
  }

  return (
    <div className="segment-form">
      <textarea
        aria-label="Words"
        rows={Math.max(2, Math.ceil(text.length / 44))}
        maxLength={10_000}
        value={text}
        ref={focus}
        onChange={(event) => setText(event.target.value)}
        onSelect={(event) => {
          const { selectionStart, value } = event.currentTarget;
          setWord(wordsOf(value.slice(0, selectionStart)).length);
        }}
        onKeyDown={pressed}
      />
      <div className="segment-actions">
        <button type="button" className="button button-primary" disabled={changes.pending} onClick={() => void save()}>
          Save
        </button>
        <button
          type="button"
          className="button"
          disabled={changes.pending || word === 0 || word >= words}
          title="Put the cursor where the second part begins"
          onClick={() => void split()}
        >
          Split here
        </button>
        <button type="button" className="button" disabled={changes.pending || last} onClick={() => void merge()}>
          Join with next
        </button>
        <button type="button" className="button button-quiet" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  );
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function focus(field: HTMLTextAreaElement | null): void {
  field?.focus();
}
