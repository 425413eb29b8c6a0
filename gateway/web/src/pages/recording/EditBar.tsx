import { type SyntheticEvent, useState } from 'react';
import type { Transcript } from '../../api/types';
import type { Changes } from './transcriptChanges';

interface EditBarProps {
  transcript: Transcript;
  /** What is searched for: replacing takes it. */
  query: string;
  changes: Changes;
}

/** Undo, redo, replace everywhere, and the mark that somebody has read it all. */
export function EditBar({ transcript, query, changes }: EditBarProps) {
  const [replacement, setReplacement] = useState('');
  const [wholeWords, setWholeWords] = useState(true);

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    const change = { find: query.trim(), replace: replacement.trim(), whole_words: wholeWords };
    void changes.make({ kind: 'replace', ...change });
  }

  return (
    <div className="edit-bar">
      <div className="edit-steps">
        <button type="button" className="button" disabled={changes.pending} onClick={() => changes.step('undo')}>
          Undo
        </button>
        <button type="button" className="button" disabled={changes.pending} onClick={() => changes.step('redo')}>
          Redo
        </button>
        <label className="toggle">
          <input
            type="checkbox"
            checked={transcript.reviewed_at !== null}
            disabled={changes.pending}
            onChange={(event) => void changes.make({ kind: 'review', reviewed: event.target.checked })}
          />
          Reviewed
        </label>
      </div>
      {query.trim() ? (
        <form className="edit-replace" onSubmit={submit}>
          <input
            aria-label={`Replace “${query.trim()}” by`}
            placeholder={`Replace “${query.trim()}” by`}
            maxLength={200}
            value={replacement}
            onChange={(event) => setReplacement(event.target.value)}
          />
          <label className="toggle">
            <input type="checkbox" checked={wholeWords} onChange={(event) => setWholeWords(event.target.checked)} />
            Whole words
          </label>
          <button type="submit" className="button" disabled={changes.pending}>
            Replace all
          </button>
        </form>
      ) : (
        <p className="hint">Click a sentence to correct it, a name to change who speaks. Search to replace everywhere.</p>
      )}
    </div>
  );
}
