import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { editMedia, media as readMedia } from '../../api/endpoints';
import { Problem, sentence } from '../../api/http';
import type { Media } from '../../api/types';
import { show } from '../../live/cache';
import { Icon } from '../../ui/icons';
import { useToast } from '../../ui/toasts';

/** The title, which its owner can change in place. */
export function TitleEditor({ media }: { media: Media }) {
  const [before, setBefore] = useState<string | null>(null); // the title as it was when editing began
  const client = useQueryClient();
  const toast = useToast();

  async function save(title: string): Promise<void> {
    try {
      const edited = await editTitle(media, before ?? media.title, title);
      show(client, edited);
      setBefore(null);
    } catch (error) {
      if (error instanceof TitleConflict) {
        show(client, error.current);
        setBefore(error.current.title);
      }
      toast({ text: sentence(error), tone: 'bad' });
    }
  }

  if (before !== null) return <TitleForm title={media.title} onSave={save} onCancel={() => setBefore(null)} />;
  return (
    <h1>
      {media.title}
      <button
        type="button"
        className="icon-button"
        aria-label="Edit the title"
        onClick={() => setBefore(media.title)}
      >
        <Icon name="edit" size={16} />
      </button>
    </h1>
  );
}

interface TitleFormProps {
  title: string;
  onSave: (title: string) => Promise<void>;
  onCancel: () => void;
}

function TitleForm({ title, onSave, onCancel }: TitleFormProps) {
  const [text, setText] = useState(title);
  const [busy, setBusy] = useState(false);

  async function save(): Promise<void> {
    const wanted = text.trim();
    if (!wanted || wanted === title) {
      onCancel();
      return;
    }
    setBusy(true);
    await onSave(wanted);
    setBusy(false);
  }

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    void save();
  }

  return (
    <form className="title-form" onSubmit={submit}>
      <input
        aria-label="Title"
        maxLength={200}
        value={text}
        ref={focusAll}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onCancel();
        }}
      />
      <button type="submit" className="button button-primary" disabled={busy}>
        Save
      </button>
      <button type="button" className="button button-quiet" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}

function focusAll(input: HTMLInputElement | null): void {
  input?.focus();
  input?.select();
}

/** Somebody else gave it another title meanwhile. */
class TitleConflict extends Error {
  constructor(readonly current: Media) {
    super(`It was renamed to “${current.title}” meanwhile. Save again to use your title.`);
  }
}

// The version moves with every step of the pipeline, so a refused edit is a conflict only if the title itself moved.
async function editTitle(media: Media, before: string, title: string): Promise<Media> {
  try {
    return await editMedia(media.id, media.version, { title });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 412) throw error;
    const current = await readMedia(media.id);
    if (current.title !== before) throw new TitleConflict(current);
    return editMedia(current.id, current.version, { title });
  }
}
