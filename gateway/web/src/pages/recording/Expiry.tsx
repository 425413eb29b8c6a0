import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { editMedia } from '../../api/endpoints';
import type { Media } from '../../api/types';
import { ahead, endOfDay, isoDay, isSoon } from '../../format/time';
import { show } from '../../live/cache';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { useAction } from '../../ui/useAction';
import { useToast } from '../../ui/toasts';

const DAY = 86_400_000; // milliseconds
const CHOICES = [1, 7, 30]; // days

/** When a recording or clip will be deleted, in a chip that its owner can change it with. */
export function Expiry({ media }: { media: Media }) {
  const [picking, setPicking] = useState(false);
  const client = useQueryClient();
  const toast = useToast();
  const { expires_at: at } = media;

  // The newest wish is the one that counts, whatever else changed meanwhile.
  const keep = useAction(
    (until: string | null) => editMedia(media.id, '*', { expires_at: until }),
    (edited) => {
      show(client, edited);
      setPicking(false);
      const what = media.kind === 'clip' ? 'The clip' : 'The recording and its clips';
      toast({ text: said(what, edited.expires_at), tone: 'good' });
    },
  );

  if (picking) return <DayForm at={at} busy={keep.pending} onPick={keep.run} onCancel={() => setPicking(false)} />;
  const text = at === null ? 'Never expires' : `Expires ${ahead(at)}`;
  return (
    <span className="expiry">
      <Menu
        label={`${text}. Change it`}
        className={`chip ${at !== null && isSoon(at) ? 'chip-warm' : ''}`}
        button={
          <>
            <Icon name="clock" size={13} /> {text}
          </>
        }
      >
        <button type="button" className="menu-item" onClick={() => keep.run(null)}>
          Never{at === null && <Icon name="check" size={16} />}
        </button>
        {CHOICES.map((days) => (
          <button
            key={days}
            type="button"
            className="menu-item"
            onClick={() => keep.run(new Date(Date.now() + days * DAY).toISOString())}
          >
            In {days === 1 ? '1 day' : `${days} days`}
          </button>
        ))}
        <button type="button" className="menu-item" onClick={() => setPicking(true)}>
          On a date…
        </button>
      </Menu>
    </span>
  );
}

function said(what: string, at: string | null): string {
  return at === null ? `${what} will be kept.` : `${what} will be deleted ${ahead(at)}.`;
}

interface DayFormProps {
  at: string | null;
  busy: boolean;
  onPick: (until: string) => void;
  onCancel: () => void;
}

function DayForm({ at, busy, onPick, onCancel }: DayFormProps) {
  const [day, setDay] = useState(() => isoDay(new Date(at ?? Date.now() + 7 * DAY)));

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (day) onPick(endOfDay(day));
  }

  return (
    <form className="expiry-form" onSubmit={submit}>
      <input
        type="date"
        aria-label="Last day"
        required
        min={isoDay(new Date())}
        value={day}
        onChange={(event) => setDay(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          // Else it would close the dialog around it, too.
          event.preventDefault();
          onCancel();
        }}
      />
      <button type="submit" className="button button-small button-primary" disabled={busy}>
        Set
      </button>
      <button type="button" className="button button-small button-quiet" onClick={onCancel}>
        Cancel
      </button>
    </form>
  );
}
