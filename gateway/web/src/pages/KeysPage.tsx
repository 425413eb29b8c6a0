import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { apiKeys, createApiKey, revokeApiKey } from '../api/endpoints';
import type { ApiKey, Scope } from '../api/types';
import { ago, ahead } from '../format/time';
import { useMe } from '../session';
import { Trouble } from '../ui/Away';
import { Icon } from '../ui/icons';
import { ShownOnce } from '../ui/ShownOnce';
import { useAction } from '../ui/useAction';
import { usePageTitle } from '../ui/usePageTitle';
import './settings.css';

interface Choice {
  scope: Scope;
  title: string;
  note: string;
}

const SCOPES: Choice[] = [
  { scope: 'upload', title: 'Upload', note: 'hand in recordings' },
  { scope: 'read', title: 'Read', note: 'see the library, transcripts and clips' },
  { scope: 'write', title: 'Write', note: 'change, share and delete' },
];

const ADMIN_SCOPES: Choice[] = [
  { scope: 'admin', title: 'Administer', note: 'rule this server' },
  { scope: 'delegate', title: 'Act for others', note: 'for trusted systems: each act is in the audit log' },
];

const LIFETIMES: [number | null, string][] = [
  [null, 'until it is revoked'],
  [30, '30 days'],
  [90, '90 days'],
  [365, 'one year'],
];

/** Keys for programs that act for the signed-in person. */
export function KeysPage() {
  usePageTitle('API keys');
  const client = useQueryClient();
  const { data, error } = useQuery({ queryKey: ['api-keys'], queryFn: apiKeys });
  const [made, setMade] = useState<string | null>(null);
  const reread = () => void client.invalidateQueries({ queryKey: ['api-keys'] });
  return (
    <div className="narrow">
      <header className="page-head">
        <h1>API keys</h1>
        <p>
          For scripts, the terminal client and screen-capture tools. A key acts for you within its scopes; send it as{' '}
          <code>Authorization: Bearer csk_…</code>. All requests are described in the{' '}
          <a href="/api/docs">API documentation</a>.
        </p>
      </header>
      <NewKey
        onMade={(key) => {
          setMade(key);
          reread();
        }}
      />
      <Trouble what="The list of keys is" error={error} stale={data !== undefined} />
      {data?.items.length === 0 && <p className="panel-note">You have no keys yet.</p>}
      <ul className="panel-list">
        {data?.items.map((key) => (
          <KeyRow key={key.id} apiKey={key} onRevoked={reread} />
        ))}
      </ul>
      {made && (
        <ShownOnce
          title="Your new key"
          words="This is the only time it is shown: here it is kept as a hash alone. Put it where it will be used."
          what="key"
          value={made}
          onClose={() => setMade(null)}
        />
      )}
    </div>
  );
}

function NewKey({ onMade }: { onMade: (key: string) => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<Scope[]>(['upload', 'read']);
  const [days, setDays] = useState<number | null>(null);
  const { data } = useMe();
  const choices = data?.user.role === 'admin' ? [...SCOPES, ...ADMIN_SCOPES] : SCOPES;
  const create = useAction(
    () => createApiKey(name.trim(), scopes, days),
    (made) => {
      setName('');
      onMade(made.key);
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    create.run(undefined);
  }

  const toggle = (scope: Scope) =>
    setScopes(scopes.includes(scope) ? scopes.filter((one) => one !== scope) : [...scopes, scope]);

  return (
    <form className="panel stack" onSubmit={submit}>
      <label className="field">
        <span>Name of the new key</span>
        <input
          value={name}
          required
          maxLength={80}
          placeholder="laptop, capture tool, nightly job"
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <fieldset className="scopes">
        <legend>It may</legend>
        {choices.map(({ scope, title, note }) => (
          <label key={scope} className="scope">
            <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
            <strong>{title}</strong>
            <small>{note}</small>
          </label>
        ))}
      </fieldset>
      <label className="field">
        <span>It works</span>
        <select value={days ?? ''} onChange={(event) => setDays(Number(event.target.value) || null)}>
          {LIFETIMES.map(([value, words]) => (
            <option key={words} value={value ?? ''}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" className="button button-primary" disabled={create.pending || scopes.length === 0}>
        Create key
      </button>
    </form>
  );
}

function KeyRow({ apiKey, onRevoked }: { apiKey: ApiKey; onRevoked: () => void }) {
  const revoke = useAction(() => revokeApiKey(apiKey.id), onRevoked);
  const [sure, setSure] = useState(false);
  return (
    <li>
      <Icon name="key" />
      <div className="panel-words">
        <strong>{apiKey.name}</strong>
        <span className="card-note">
          <code>{apiKey.prefix}…</code> · {apiKey.scopes.join(', ')}
          {apiKey.created_at && ` · made ${ago(apiKey.created_at)}`}
          {apiKey.expires_at && ` · ends ${ahead(apiKey.expires_at)}`}
          {apiKey.last_used_at ? ` · used ${ago(apiKey.last_used_at)}` : ' · never used'}
        </span>
      </div>
      {sure ? (
        <>
          <button type="button" className="button button-small" onClick={() => setSure(false)}>
            Keep
          </button>
          <button
            type="button"
            className="button button-small button-danger"
            disabled={revoke.pending}
            onClick={() => revoke.run(undefined)}
          >
            Revoke for good
          </button>
        </>
      ) : (
        <button type="button" className="button button-small button-quiet" onClick={() => setSure(true)}>
          Revoke
        </button>
      )}
    </li>
  );
}
