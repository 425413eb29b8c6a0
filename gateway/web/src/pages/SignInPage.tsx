import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, type SyntheticEvent, useId, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import {
  answerSecond,
  passkeyQuestion,
  providers,
  type SecondAnswer,
  signIn,
  signInPasskey,
  signUp,
} from '../api/endpoints';
import { query, sentence } from '../api/http';
import { behindHash, providerProblem } from '../format/hash';
import type { Offer, SecondFactor } from '../api/types';
import { Icon, type IconName, Logo } from '../ui/icons';
import { canUsePasskeys, refusalOf, usePasskey as signWithPasskey } from '../ui/passkeys';
import { usePageTitle } from '../ui/usePageTitle';

type Mode = 'sign-in' | 'sign-up';

/** An invitation that somebody without an account came with. */
interface Invited {
  token: string;
  offer: Offer;
}

/** The second factor that a sign-in through a provider asks for: base64url of what a sign-in by password answers. */
function secondOf(text: string): SecondFactor | null {
  try {
    return JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))) as SecondFactor;
  } catch {
    return null; // not ours: then it is asked for anew
  }
}

/** Sign in, or make an account: one page with a toggle. It stands in place of the page that was asked for. */
export function SignInPage({ invited }: { invited?: Invited }) {
  const [mode, setMode] = useState<Mode>(invited || location.hash === '#sign-up' ? 'sign-up' : 'sign-in');
  const [second, setSecond] = useState<SecondFactor | null>(() => {
    const secret = behindHash(location.hash, 'second');
    return secret ? secondOf(secret) : null;
  });
  const [mailed, setMailed] = useState('');
  usePageTitle(mode === 'sign-in' ? 'Sign in' : 'Create an account');
  return (
    <main className="welcome">
      <section className="welcome-pitch" aria-label="What Clipstead does">
        <p className="welcome-brand">
          <Logo size={34} /> Clipstead
        </p>
        <h1>{invited ? invitation(invited.offer) : 'Recordings in, captioned clips out.'}</h1>
        <ul>
          <Pitch icon="upload" text="Drop a podcast, a stream, a talk. Broken uploads go on where they stopped." />
          <Pitch icon="wave" text="Read what was said, by whom, and jump to any word." />
          <Pitch icon="spark" text="See the moments worth sharing, each with its reason in words." />
          <Pitch icon="link" text="Play, download, or share a link. All of it on storage you own." />
        </ul>
      </section>
      <section className="welcome-form">
        {second ? (
          <SecondStep second={second} onBack={() => setSecond(null)} />
        ) : mailed ? (
          <Mailed to={mailed} onBack={() => setMailed('')} />
        ) : (
          <>
            <div className="segmented" role="group" aria-label="Sign in or sign up">
              <button type="button" aria-pressed={mode === 'sign-in'} onClick={() => setMode('sign-in')}>
                Sign in
              </button>
              <button type="button" aria-pressed={mode === 'sign-up'} onClick={() => setMode('sign-up')}>
                Sign up
              </button>
            </div>
            <AccountForm
              key={mode}
              mode={mode}
              invited={invited ?? null}
              onSecond={setSecond}
              onMailed={setMailed}
            />
            <OtherWays mode={mode} invitation={invited?.token ?? null} />
          </>
        )}
      </section>
    </main>
  );
}

function invitation({ invited_by, group }: Offer): string {
  return group ? `${invited_by} invites you to ${group.name}.` : `${invited_by} invites you to this server.`;
}

function Pitch({ icon, text }: { icon: IconName; text: string }) {
  return (
    <li>
      <Icon name={icon} size={20} /> {text}
    </li>
  );
}

/** Told of a refusal where it belongs: below what was filled in. */
function Refused({ children }: { children: ReactNode }) {
  return (
    <p className="form-problem" role="alert">
      <Icon name="alert" /> <span>{children}</span>
    </p>
  );
}

interface AccountFormProps {
  mode: Mode;
  invited: Invited | null;
  onSecond: (second: SecondFactor) => void;
  onMailed: (to: string) => void;
}

function AccountForm({ mode, invited, onSecond, onMailed }: AccountFormProps) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [problem, setProblem] = useState(() => providerProblem(location.hash));
  const [busy, setBusy] = useState(false);
  const ids = useId();
  const isNew = mode === 'sign-up';

  async function enter(form: FormData): Promise<void> {
    const field = (name: string) => {
      const value = form.get(name);
      return typeof value === 'string' ? value : '';
    };
    const email = field('email');
    setBusy(true);
    setProblem('');
    try {
      if (isNew) {
        const made = await signUp({
          email,
          password: field('password'),
          displayName: field('display_name').trim(),
          invitation: invited?.token ?? null,
        });
        if (!made.user) {
          onMailed(email);
          return;
        }
        if (invited) await navigate('/groups', { replace: true }); // the invitation is used up
      } else {
        const { second_factor } = await signIn(email, field('password'));
        if (second_factor) {
          onSecond(second_factor);
          return;
        }
      }
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
        <input
          name="email"
          type="email"
          autoComplete="username"
          required
          maxLength={254}
          defaultValue={isNew ? (invited?.offer.email ?? '') : ''}
        />
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
      {problem && <Refused>{problem}</Refused>}
      <button type="submit" className="button button-primary button-wide" disabled={busy}>
        {isNew ? 'Create account' : 'Sign in'}
      </button>
      {!isNew && (
        <Link to="/forgotten" className="welcome-aside">
          Forgotten your password?
        </Link>
      )}
    </form>
  );
}

/** A passkey, or an account elsewhere, in place of the password. */
function OtherWays({ mode, invitation }: { mode: Mode; invitation: string | null }) {
  const client = useQueryClient();
  const [problem, setProblem] = useState('');
  const { data } = useQuery({ queryKey: ['providers'], queryFn: providers, staleTime: Infinity, retry: false });
  const withPasskey = mode === 'sign-in' && canUsePasskeys;
  if (!withPasskey && !data?.items.length) return null;

  async function enter(): Promise<void> {
    setProblem('');
    try {
      const { challenge, options } = await passkeyQuestion();
      await signInPasskey(challenge, await signWithPasskey(options));
      await client.invalidateQueries({ queryKey: ['session'] });
    } catch (error) {
      setProblem(refusalOf(error) ?? sentence(error));
    }
  }

  return (
    <div className="stack welcome-ways">
      {withPasskey && (
        <button type="button" className="button button-wide" onClick={() => void enter()}>
          <Icon name="key" size={16} /> Sign in with a passkey
        </button>
      )}
      {data?.items.map((provider) => (
        <a
          key={provider.id}
          className="button button-wide"
          href={`/api/v1/auth/oidc/${provider.id}/begin${query({ next: location.pathname, invitation })}`}
        >
          Continue with {provider.name}
        </a>
      ))}
      {problem && <Refused>{problem}</Refused>}
    </div>
  );
}

function SecondStep({ second, onBack }: { second: SecondFactor; onBack: () => void }) {
  const client = useQueryClient();
  const first = second.methods.includes('totp') ? 'totp' : 'recovery';
  const [method, setMethod] = useState<'totp' | 'recovery'>(first);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const options = second.passkey_options;

  async function prove(answer: () => Promise<SecondAnswer>): Promise<void> {
    setBusy(true);
    setProblem('');
    try {
      await answerSecond(second.challenge, await answer());
      history.replaceState(null, '', location.pathname);
      await client.invalidateQueries({ queryKey: ['session'] });
    } catch (error) {
      setProblem(refusalOf(error) ?? sentence(error));
      setBusy(false);
    }
  }

  function submit(event: SyntheticEvent<HTMLFormElement>): void {
    event.preventDefault();
    const given = new FormData(event.currentTarget).get('code');
    const code = typeof given === 'string' ? given.trim() : '';
    void prove(() => Promise.resolve(method === 'totp' ? { totp: code } : { recovery: code }));
  }

  return (
    <div className="stack">
      <h2>One more step</h2>
      {options && (
        <button
          type="button"
          className="button button-wide"
          disabled={busy}
          onClick={() => void prove(async () => ({ passkey: await signWithPasskey(options) }))}
        >
          <Icon name="key" size={16} /> Use a passkey
        </button>
      )}
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>{method === 'totp' ? 'Code of your authenticator app' : 'A recovery code'}</span>
          <input
            key={method}
            name="code"
            required
            autoComplete="one-time-code"
            inputMode={method === 'totp' ? 'numeric' : 'text'}
            minLength={6}
            maxLength={40}
          />
        </label>
        {problem && <Refused>{problem}</Refused>}
        <button type="submit" className="button button-primary button-wide" disabled={busy}>
          Go on
        </button>
      </form>
      <div className="welcome-foot">
        {second.methods.includes('totp') && (
          <button
            type="button"
            className="button button-small button-quiet"
            onClick={() => setMethod(method === 'totp' ? 'recovery' : 'totp')}
          >
            {method === 'totp' ? 'Use a recovery code' : 'Use the app'}
          </button>
        )}
        <button type="button" className="button button-small button-quiet" onClick={onBack}>
          Back
        </button>
      </div>
    </div>
  );
}

/** In place of being signed in, where addresses are proved first. */
function Mailed({ to, onBack }: { to: string; onBack: () => void }) {
  return (
    <div className="stack" role="status">
      <h2>Look into your mail</h2>
      <p>
        A mail is on its way to <strong>{to}</strong>. Open the link in it to confirm that the address is yours; then you are in.
      </p>
      <button type="button" className="button" onClick={onBack}>
        Back to the sign-in
      </button>
    </div>
  );
}
