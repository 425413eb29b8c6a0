import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { changePassword } from '../../api/endpoints';
import type { Me } from '../../api/types';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

/** Changing the password, which ends every other session. */
export function PasswordPanel({ user }: { user: Me }) {
  const toast = useToast();
  const client = useQueryClient();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const change = useAction(
    () => changePassword(current, next),
    () => {
      setCurrent('');
      setNext('');
      toast({ text: 'Your password is changed. You were signed out everywhere else.', tone: 'good' });
      for (const key of ['me', 'places']) void client.invalidateQueries({ queryKey: [key] });
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    change.run(undefined);
  }

  return (
    <section className="panel stack" aria-labelledby="password">
      <h2 id="password">{user.has_password ? 'Password' : 'Set a password'}</h2>
      <form className="stack" onSubmit={submit}>
        <input type="text" hidden readOnly autoComplete="username" value={user.email} />
        {user.has_password && (
          <label className="field">
            <span>Current password</span>
            <input
              type="password"
              required
              autoComplete="current-password"
              maxLength={256}
              value={current}
              onChange={(event) => setCurrent(event.target.value)}
            />
          </label>
        )}
        <label className="field">
          <span>New password</span>
          <input
            type="password"
            required
            minLength={8}
            maxLength={256}
            autoComplete="new-password"
            value={next}
            onChange={(event) => setNext(event.target.value)}
          />
          <small>8 characters or more. A few unrelated words are best.</small>
        </label>
        <button type="submit" className="button" disabled={change.pending}>
          {user.has_password ? 'Change password' : 'Set password'}
        </button>
      </form>
    </section>
  );
}
