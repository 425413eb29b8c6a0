import { type SyntheticEvent, useState } from 'react';
import { leave } from '../../api/endpoints';
import type { Me } from '../../api/types';
import { Dialog } from '../../ui/Dialog';
import { Icon } from '../../ui/icons';
import { useProved } from '../../ui/useProved';

/** Taking everything along, and leaving. */
export function LeavingPanel({ user }: { user: Me }) {
  const [open, setOpen] = useState(false);
  return (
    <section className="panel stack" aria-labelledby="leaving">
      <h2 id="leaving">Your data</h2>
      <p className="panel-note">
        Everything that this server knows about you, as a zip: account, library, transcripts, moments, clips, links. Recordings
        and clips themselves are downloaded from their pages.
      </p>
      <div className="account-line">
        <a className="button" href="/api/v1/auth/me/export" download>
          <Icon name="download" size={16} /> Download everything about me
        </a>
        <button type="button" className="button button-danger" onClick={() => setOpen(true)}>
          <Icon name="trash" size={16} /> Delete my account
        </button>
      </div>
      {open && <LeavingDialog user={user} onClose={() => setOpen(false)} />}
    </section>
  );
}

function LeavingDialog({ user, onClose }: { user: Me; onClose: () => void }) {
  const [password, setPassword] = useState('');
  const go = useProved(
    () => leave(password),
    () => location.assign('/'),
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    go.run(undefined);
  }

  if (go.dialog) return go.dialog;
  return (
    <Dialog title="Delete your account?" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p>
          You are signed out everywhere, and nothing works in your name any more. In two weeks everything of yours is deleted for
          good: recordings, clips, links. If you sign in before that, all is as it was.
        </p>
        {user.has_password && (
          <label className="field">
            <span>Password</span>
            <input
              type="password"
              required
              autoComplete="current-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </label>
        )}
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Keep my account
          </button>
          <button type="submit" className="button button-danger" disabled={go.pending}>
            Delete my account
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
