/** What the links in mails lead to. Their secrets stand behind the #, which no server and no log gets to see. */
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, type SyntheticEvent, useState } from 'react';
import { Link } from 'react-router';
import { confirmAddress, forgotPassword, resetPassword, verifyAddress } from '../api/endpoints';
import { Problem, sentence } from '../api/http';
import { Icon, Logo } from '../ui/icons';
import { usePageTitle } from '../ui/usePageTitle';

/** The secret of the link that was followed. */
export function codeOf(hash: string): string {
  return new URLSearchParams(hash.replace(/^#/, '')).get('code') ?? '';
}

function Single({ title, children }: { title: string; children: ReactNode }) {
  usePageTitle(title);
  return (
    <main className="single">
      <p className="welcome-brand">
        <Logo size={34} /> Clipstead
      </p>
      <section className="panel stack">
        <h1>{title}</h1>
        {children}
      </section>
    </main>
  );
}

interface FormProps {
  label: string;
  action: (form: FormData) => Promise<unknown>;
  onDone: () => void;
  children: ReactNode;
}

/** A short form: its refusal stands below its fields. */
function ShortForm({ label, action, onDone, children }: FormProps) {
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  function submit(event: SyntheticEvent<HTMLFormElement>): void {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    action(new FormData(event.currentTarget))
      .then(onDone)
      .catch((error: unknown) => {
        setProblem(sentence(error));
        setBusy(false);
      });
  }

  return (
    <form className="stack" onSubmit={submit}>
      {children}
      {problem && (
        <p className="form-problem" role="alert">
          <Icon name="alert" /> {problem}
        </p>
      )}
      <button type="submit" className="button button-primary button-wide" disabled={busy}>
        {label}
      </button>
    </form>
  );
}

const text = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
};

/** Ask for a code to choose a new password. */
export function ForgottenPage() {
  const [sent, setSent] = useState(false);
  return (
    <Single title="Forgotten your password?">
      {sent ? (
        <>
          <p>If there is an account with this address, a mail is on its way. Its link works for ten minutes.</p>
          <Link to="/sign-in">Back to the sign-in</Link>
        </>
      ) : (
        <ShortForm label="Send me a link" action={(form) => forgotPassword(text(form, 'email'))} onDone={() => setSent(true)}>
          <p>We send a link with which you choose a new one.</p>
          <label className="field">
            <span>E-mail</span>
            <input name="email" type="email" autoComplete="username" required maxLength={254} />
          </label>
        </ShortForm>
      )}
    </Single>
  );
}

/** Choose a new password with the code of a mail. */
export function ResetPage() {
  const [code] = useState(() => codeOf(location.hash));
  const [done, setDone] = useState(false);
  return (
    <Single title="Choose a new password">
      {done ? (
        <>
          <p>Your new password counts from now on, and you were signed out everywhere.</p>
          <Link to="/sign-in" className="button button-primary">
            Sign in
          </Link>
        </>
      ) : (
        <ShortForm
          label="Set the password"
          action={(form) => resetPassword(code, text(form, 'password'))}
          onDone={() => setDone(true)}
        >
          <label className="field">
            <span>New password</span>
            <input name="password" type="password" autoComplete="new-password" required minLength={8} maxLength={256} />
            <small>8 characters or more. A few unrelated words are best.</small>
          </label>
        </ShortForm>
      )}
    </Single>
  );
}

/** Confirm an e-mail address: with the session of the account, or its password. */
export function VerifyPage({ signedIn }: { signedIn: boolean }) {
  const client = useQueryClient();
  const [code] = useState(() => codeOf(location.hash));
  const [done, setDone] = useState(false);
  const [needsPassword, setNeedsPassword] = useState(!signedIn);

  async function confirm(form: FormData): Promise<void> {
    try {
      await verifyAddress(code, text(form, 'password'));
    } catch (error) {
      if (error instanceof Problem && error.code === 'password_needed') setNeedsPassword(true);
      throw error;
    }
    for (const key of ['me', 'session']) await client.invalidateQueries({ queryKey: [key] });
  }

  return (
    <Single title="Confirm your e-mail address">
      {done ? (
        <>
          <p>Thank you, it is confirmed.</p>
          <Link to="/" className="button button-primary">
            Go to the library
          </Link>
        </>
      ) : (
        <ShortForm label="Confirm" action={confirm} onDone={() => setDone(true)}>
          {needsPassword && (
            <label className="field">
              <span>Password of your account</span>
              <input name="password" type="password" autoComplete="current-password" required maxLength={256} />
              <small>So that nobody has you confirm an account that they made with your address.</small>
            </label>
          )}
        </ShortForm>
      )}
    </Single>
  );
}

/** Take another e-mail address, while signed in. */
export function NewAddressPage() {
  const client = useQueryClient();
  const [code] = useState(() => codeOf(location.hash));
  const [done, setDone] = useState(false);
  return (
    <Single title="Use this e-mail address">
      {done ? (
        <>
          <p>From now on you sign in with this address.</p>
          <Link to="/account" className="button button-primary">
            Go to your account
          </Link>
        </>
      ) : (
        <ShortForm
          label="Use this address"
          action={() => confirmAddress(code)}
          onDone={() => {
            setDone(true);
            for (const key of ['me', 'session']) void client.invalidateQueries({ queryKey: [key] });
          }}
        >
          <p>Your account gets the address that the mail came to.</p>
        </ShortForm>
      )}
    </Single>
  );
}
