import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useRef, useState } from 'react';
import { changeAddress, dropAvatar, editMe, sendVerification, setAvatar } from '../../api/endpoints';
import type { Me } from '../../api/types';
import { Avatar } from '../../ui/Avatar';
import { Icon } from '../../ui/icons';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

const LANGUAGES = [
  ['en', 'English'],
  ['nb', 'Norsk bokmål'],
  ['he', 'עברית'],
  ['de', 'Deutsch'],
  ['es', 'Español'],
  ['fr', 'Français'],
] as const;

/** Name, picture, language and e-mail address. */
export function ProfilePanel({ user }: { user: Me }) {
  const client = useQueryClient();
  const toast = useToast();
  const [name, setName] = useState(user.display_name);
  const [language, setLanguage] = useState(user.language);
  const save = useAction(
    () => editMe({ display_name: name.trim(), language }),
    () => {
      toast({ text: 'Saved.', tone: 'good' });
      void client.invalidateQueries({ queryKey: ['me'] });
      void client.invalidateQueries({ queryKey: ['session'] });
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    save.run(undefined);
  }

  return (
    <section className="panel stack" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      <Picture user={user} />
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>Name</span>
          <input
            value={name}
            required
            maxLength={80}
            autoComplete="name"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <label className="field">
          <span>Language</span>
          <select value={language} onChange={(event) => setLanguage(event.target.value)}>
            {LANGUAGES.map(([tag, title]) => (
              <option key={tag} value={tag}>
                {title}
              </option>
            ))}
            {!LANGUAGES.some(([tag]) => tag === language) && <option value={language}>{language}</option>}
          </select>
        </label>
        <button type="submit" className="button button-primary" disabled={save.pending}>
          Save
        </button>
      </form>
      <Address user={user} />
    </section>
  );
}

function Picture({ user }: { user: Me }) {
  const client = useQueryClient();
  const file = useRef<HTMLInputElement>(null);
  const [version, setVersion] = useState(0);
  const changed = () => {
    setVersion(version + 1);
    void client.invalidateQueries({ queryKey: ['avatar'] });
  };
  const set = useAction(setAvatar, changed);
  const drop = useAction(dropAvatar, changed);
  return (
    <div className="account-picture">
      <Avatar key={version} user={user} size="large" />
      <input
        ref={file}
        type="file"
        hidden
        accept="image/jpeg,image/png,image/webp"
        aria-label="Choose a picture"
        onChange={(event) => {
          const [picture] = event.target.files ?? [];
          if (picture) set.run(picture);
          event.target.value = '';
        }}
      />
      <button type="button" className="button button-small" disabled={set.pending} onClick={() => file.current?.click()}>
        <Icon name="upload" size={16} /> {set.pending ? 'Sending…' : 'Choose a picture'}
      </button>
      <button
        type="button"
        className="button button-small button-quiet"
        disabled={drop.pending}
        onClick={() => drop.run(undefined)}
      >
        Remove
      </button>
    </div>
  );
}

function Address({ user }: { user: Me }) {
  const toast = useToast();
  const [open, setOpen] = useState(false);
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const again = useAction(sendVerification, () => toast({ text: `A mail is on its way to ${user.email}.`, tone: 'good' }));
  const change = useAction(
    () => changeAddress(email, password),
    () => {
      toast({ text: `Open the link in the mail that went to ${email}.`, tone: 'good' });
      setOpen(false);
      setPassword('');
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    change.run(undefined);
  }

  return (
    <div className="stack">
      <div className="account-line">
        <div>
          <strong>{user.email}</strong>{' '}
          <span className={user.email_verified ? 'chip chip-good' : 'chip chip-warm'}>
            {user.email_verified ? 'Confirmed' : 'Not confirmed'}
          </span>
        </div>
        {!user.email_verified && (
          <button
            type="button"
            className="button button-small"
            disabled={again.pending}
            onClick={() => again.run(undefined)}
          >
            Send the mail again
          </button>
        )}
        <button type="button" className="button button-small button-quiet" onClick={() => setOpen(!open)}>
          Change address
        </button>
      </div>
      {open && (
        <form className="stack" onSubmit={submit}>
          <label className="field">
            <span>New e-mail address</span>
            <input type="email" required maxLength={254} value={email} onChange={(event) => setEmail(event.target.value)} />
          </label>
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
          <button type="submit" className="button" disabled={change.pending}>
            Send the confirmation
          </button>
        </form>
      )}
    </div>
  );
}
