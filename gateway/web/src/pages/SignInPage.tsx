import { useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useId, useState } from 'react';
import { signIn, signUp } from '../api/endpoints';
import { sentence } from '../api/http';
import { Icon, type IconName, Logo } from '../ui/icons';
import { usePageTitle } from '../ui/usePageTitle';

type Mode = 'sign-in' | 'sign-up';

/** Sign in, or make an account: one page with a toggle. It stands in place of the page that was asked for. */
export function SignInPage() {
  const [mode, setMode] = useState<Mode>(location.hash === '#sign-up' ? 'sign-up' : 'sign-in');
  usePageTitle(mode === 'sign-in' ? 'Sign in' : 'Create an account');
  return (
    <main className="welcome">
      <section className="welcome-pitch" aria-label="What Clipstead does">
        <p className="welcome-brand">
          <Logo size={34} /> Clipstead
        </p>
        <h1>Recordings in, captioned clips out.</h1>
        <ul>
          <Pitch icon="upload" text="Drop a podcast, a stream, a talk. Broken uploads go on where they stopped." />
          <Pitch icon="wave" text="Read what was said, by whom, and jump to any word." />
          <Pitch icon="spark" text="See the moments worth sharing, each with its reason in words." />
          <Pitch icon="link" text="Play, download, or share a link. All of it on storage you own." />
        </ul>
      </section>
      <section className="welcome-form">
        <div className="segmented" role="group" aria-label="Sign in or sign up">
          <button type="button" aria-pressed={mode === 'sign-in'} onClick={() => setMode('sign-in')}>
            Sign in
          </button>
          <button type="button" aria-pressed={mode === 'sign-up'} onClick={() => setMode('sign-up')}>
            Sign up
          </button>
        </div>
        <AccountForm key={mode} mode={mode} />
      </section>
    </main>
  );
}

function Pitch({ icon, text }: { icon: IconName; text: string }) {
  return (
    <li>
      <Icon name={icon} size={20} /> {text}
    </li>
  );
}

function AccountForm({ mode }: { mode: Mode }) {
  const client = useQueryClient();
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const ids = useId();
  const isNew = mode === 'sign-up';

  async function enter(form: FormData): Promise<void> {
    const field = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value : '';
    };
    setBusy(true);
    setProblem('');
    try {
      if (isNew) await signUp(field('email'), field('password'), field('display_name').trim());
      else await signIn(field('email'), field('password'));
      await client.invalidateQueries({ queryKey: ['session'] });
    } catch (error) {
      setProblem(sentence(error));
      setBusy(false);
    }
  }

  function submit(event: SyntheticEvent<HTMLFormElement>): void {
    event.preventDefault();
    void enter(new FormData(event.currentTarget));
  }

  return (
    <form onSubmit={submit} className="stack">
      <label className="field">
        <span>E-mail</span>
        <input name="email" type="email" autoComplete="username" required maxLength={254} />
      </label>
      {isNew && (
        <label className="field">
          <span>
            Name <small>optional</small>
          </span>
          <input name="display_name" autoComplete="name" maxLength={80} />
        </label>
      )}
      <label className="field">
        <span>Password</span>
        <input
          name="password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          required
          maxLength={256}
          {...(isNew ? { minLength: 8, 'aria-describedby': `${ids}-rule` } : {})}
        />
        {isNew && <small id={`${ids}-rule`}>8 characters or more. A few words are best.</small>}
      </label>
      {problem && (
        <p className="form-problem" role="alert">
          <Icon name="alert" /> {problem}
        </p>
      )}
      <button type="submit" className="button button-primary button-wide" disabled={busy}>
        {isNew ? 'Create account' : 'Sign in'}
      </button>
    </form>
  );
}
