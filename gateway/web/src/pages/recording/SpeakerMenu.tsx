import { type SyntheticEvent, useState } from 'react';
import type { Segment, Speaker } from '../../api/types';
import { Menu } from '../../ui/Menu';
import type { Changes } from './transcriptChanges';

interface SpeakerMenuProps {
  segment: Segment;
  speakers: Speaker[];
  changes: Changes;
}

/** Who says a segment: somebody else, somebody new, another name, or the same as somebody else. */
export function SpeakerMenu({ segment, speakers, changes }: SpeakerMenuProps) {
  const [naming, setNaming] = useState(false);
  const speaker = speakers.find((one) => one.label === segment.speaker);
  const suggestion = speaker?.suggestion;
  const others = speakers.filter((one) => one !== speaker);

  if (speaker && naming) {
    return (
      <SpeakerName
        speaker={speaker}
        onSave={async (name) => {
          if (name === speaker.name || (await changes.make({ kind: 'rename', speaker: speaker.label, name }))) {
            setNaming(false);
          }
        }}
        onCancel={() => setNaming(false)}
      />
    );
  }
  return (
    <Menu label={`Who says this: ${speaker?.name ?? 'nobody named'}`} className="speaker" button={speaker?.name ?? 'Nobody named'}>
      {speaker && suggestion && (
        <button
          type="button"
          className="menu-item"
          title={`“${suggestion.quote}”`}
          onClick={() => void changes.make({ kind: 'rename', speaker: speaker.label, name: suggestion.name })}
        >
          Is this {suggestion.name}? Use that name
        </button>
      )}
      {speaker && (
        <button type="button" className="menu-item" onClick={() => setNaming(true)}>
          Rename {speaker.name}…
        </button>
      )}
      {[...others, null].map((one) => (
        <button
          key={one?.label ?? 'new'}
          type="button"
          className="menu-item"
          onClick={() => void changes.make({ kind: 'speaker', segment: segment.id, speaker: one?.label ?? 'new' })}
        >
          {one ? `${one.name} says this` : 'Somebody new says this'}
        </button>
      ))}
      {speaker &&
        others.map((one) => (
          <button
            key={one.label}
            type="button"
            className="menu-item"
            onClick={() => void changes.make({ kind: 'unite', speaker: speaker.label, into: one.label })}
          >
            {speaker.name} and {one.name} are the same
          </button>
        ))}
    </Menu>
  );
}

interface SpeakerNameProps {
  speaker: Speaker;
  onSave: (name: string) => Promise<void>;
  onCancel: () => void;
}

function SpeakerName({ speaker, onSave, onCancel }: SpeakerNameProps) {
  const [name, setName] = useState(speaker.name);

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (name.trim()) void onSave(name.trim());
  }

  return (
    <form className="speaker-form" onSubmit={submit}>
      <input
        aria-label="Name of the speaker"
        maxLength={100}
        value={name}
        ref={focusAll}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onCancel();
        }}
      />
      <button type="submit" className="button button-primary">
        Save
      </button>
    </form>
  );
}

function focusAll(input: HTMLInputElement | null): void {
  input?.focus();
  input?.select();
}
