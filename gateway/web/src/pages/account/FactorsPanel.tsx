import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import {
  addPasskey,
  beginTotp,
  confirmTotp,
  dropPasskey,
  dropTotp,
  factors,
  newPasskeyQuestion,
  newRecoveryCodes,
} from '../../api/endpoints';
import type { Enrolment, Passkey } from '../../api/types';
import { ago } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Dialog } from '../../ui/Dialog';
import { copy } from '../../ui/clipboard';
import { Icon } from '../../ui/icons';
import { canUsePasskeys, makePasskey, refusalOf } from '../../ui/passkeys';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';
import { useProved } from '../../ui/useProved';

/** Authenticator app, passkeys and recovery codes. */
export function FactorsPanel() {
  const client = useQueryClient();
  const { data, error } = useQuery({ queryKey: ['factors'], queryFn: factors });
  const [codes, setCodes] = useState<string[]>([]);
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [removing, setRemoving] = useState(false);
  const reread = () => {
    for (const key of ['factors', 'me', 'places', 'session']) void client.invalidateQueries({ queryKey: [key] });
  };
  const begin = useProved(beginTotp, setEnrolment);
  const renew = useProved(newRecoveryCodes, (made) => {
    setCodes(made.recovery_codes);
    reread();
  });
  const protectedBy = data && (data.totp_since !== null || data.passkeys.length > 0);
  return (
    <section className="panel stack" aria-labelledby="factors">
      <h2 id="factors">Second factor</h2>
      <p className="panel-note">
        With an authenticator app or a passkey, a stolen password alone opens nothing. A passkey signs you in without a password,
        too.
      </p>
      <Trouble what="The list of second factors is" error={error} stale={data !== undefined} />
      {data && (
        <ul className="panel-list">
          <li>
            <Icon name="clock" />
            <div className="panel-words">
              <strong>Authenticator app</strong>
              <span className="card-note">{data.totp_since ? `in use since ${ago(data.totp_since)}` : 'not set up'}</span>
            </div>
            {data.totp_since ? (
              <button type="button" className="button button-small button-quiet" onClick={() => setRemoving(true)}>
                Remove
              </button>
            ) : (
              <button
                type="button"
                className="button button-small"
                disabled={begin.pending}
                onClick={() => begin.run(undefined)}
              >
                Set up
              </button>
            )}
          </li>
          {data.passkeys.map((passkey) => (
            <PasskeyRow key={passkey.id} passkey={passkey} onDropped={reread} />
          ))}
          {protectedBy && (
            <li>
              <Icon name="list" />
              <div className="panel-words">
                <strong>Recovery codes</strong>
                <span className="card-note">{data.recovery_codes_left} of 10 left, for when the rest is out of reach</span>
              </div>
              <button
                type="button"
                className="button button-small button-quiet"
                disabled={renew.pending}
                onClick={() => renew.run(undefined)}
              >
                Make new ones
              </button>
            </li>
          )}
        </ul>
      )}
      {canUsePasskeys && <NewPasskey onMade={reread} />}
      {begin.dialog}
      {renew.dialog}
      {enrolment && (
        <TotpDialog
          enrolment={enrolment}
          onClose={() => setEnrolment(null)}
          onDone={(made) => {
            setEnrolment(null);
            setCodes(made);
            reread();
          }}
        />
      )}
      {removing && <RemoveTotpDialog onClose={() => setRemoving(false)} onDone={reread} />}
      {codes.length > 0 && <CodesDialog codes={codes} onClose={() => setCodes([])} />}
    </section>
  );
}

function PasskeyRow({ passkey, onDropped }: { passkey: Passkey; onDropped: () => void }) {
  const drop = useProved(() => dropPasskey(passkey.id), onDropped);
  return (
    <li>
      <Icon name="key" />
      <div className="panel-words">
        <strong>{passkey.name}</strong>
        <span className="card-note">
          passkey, made {ago(passkey.created_at)}
          {passkey.last_used_at ? ` · used ${ago(passkey.last_used_at)}` : ' · never used'}
        </span>
      </div>
      <button
        type="button"
        className="button button-small button-quiet"
        disabled={drop.pending}
        onClick={() => drop.run(undefined)}
      >
        Remove
      </button>
      {drop.dialog}
    </li>
  );
}

function NewPasskey({ onMade }: { onMade: () => void }) {
  const toast = useToast();
  const [name, setName] = useState('');
  const add = useProved(
    async () => {
      const { challenge, options } = await newPasskeyQuestion();
      try {
        return await addPasskey(challenge, await makePasskey(options), name.trim());
      } catch (error) {
        throw new Error(refusalOf(error) ?? (error instanceof Error ? error.message : ''), { cause: error });
      }
    },
    () => {
      setName('');
      toast({ text: 'The passkey can be used from now on.', tone: 'good' });
      onMade();
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    add.run(undefined);
  }

  return (
    <form className="account-line" onSubmit={submit}>
      <label className="field account-grow">
        <span>New passkey</span>
        <input
          value={name}
          required
          maxLength={80}
          placeholder="this laptop, my phone, the key on my ring"
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <button type="submit" className="button" disabled={add.pending}>
        <Icon name="plus" size={16} /> Add passkey
      </button>
      {add.dialog}
    </form>
  );
}

interface TotpDialogProps {
  enrolment: Enrolment;
  onClose: () => void;
  onDone: (codes: string[]) => void;
}

function TotpDialog({ enrolment, onClose, onDone }: TotpDialogProps) {
  const [code, setCode] = useState('');
  const confirm = useAction(
    () => confirmTotp(code),
    (made) => onDone(made.recovery_codes),
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    confirm.run(undefined);
  }

  return (
    <Dialog title="Set up an authenticator app" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p>Scan this with the app, or type the secret into it. Then enter the code that it shows.</p>
        <img
          className="account-qr"
          src={`data:image/svg+xml,${encodeURIComponent(enrolment.qr)}`}
          alt="QR code for the authenticator app"
        />
        <code className="code-block">{enrolment.secret.replace(/(.{4})/g, '$1 ').trim()}</code>
        <label className="field">
          <span>Code</span>
          <input
            inputMode="numeric"
            autoComplete="one-time-code"
            required
            minLength={6}
            maxLength={8}
            value={code}
            onChange={(event) => setCode(event.target.value)}
          />
        </label>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={confirm.pending}>
            Take into use
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function RemoveTotpDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [code, setCode] = useState('');
  const remove = useProved(
    () => dropTotp(code),
    () => {
      onDone();
      onClose();
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    remove.run(undefined);
  }

  if (remove.dialog) return remove.dialog;
  return (
    <Dialog title="Do without the app?" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>A code of the app, or a recovery code</span>
          <input required minLength={6} maxLength={40} value={code} onChange={(event) => setCode(event.target.value)} />
        </label>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Keep it
          </button>
          <button type="submit" className="button button-danger" disabled={remove.pending}>
            Remove the app
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function CodesDialog({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const toast = useToast();

  async function take(): Promise<void> {
    const done = await copy(codes.join('\n'));
    toast(done ? { text: 'The codes are copied.', tone: 'good' } : { text: 'Select the codes and copy them.', tone: 'bad' });
  }

  return (
    <Dialog title="Your recovery codes" onClose={onClose}>
      <p>Each signs you in once when you have neither app nor passkey at hand. They are shown this once: keep them safe.</p>
      <ul className="account-codes" data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <footer className="dialog-foot">
        <button type="button" className="button" onClick={() => void take()}>
          <Icon name="copy" size={16} /> Copy
        </button>
        <button type="button" className="button button-primary" onClick={onClose}>
          I have kept them
        </button>
      </footer>
    </Dialog>
  );
}
