import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { accountRules, retention, setAccountRules, setRetention } from '../../api/endpoints';
import type { AccountRules, Retention } from '../../api/types';
import { Trouble } from '../../ui/Away';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

/** Who may make an account, and what that takes. */
export function RulesForm() {
  const { data, error } = useQuery({ queryKey: ['account-rules'], queryFn: accountRules });
  return (
    <section className="panel stack" aria-labelledby="account-rules">
      <h2 id="account-rules">Accounts</h2>
      <Trouble what="These rules are" error={error} stale={data !== undefined} />
      {data && <Rules key={data.changed_at} rules={data} />}
    </section>
  );
}

function Rules({ rules }: { rules: AccountRules }) {
  const client = useQueryClient();
  const toast = useToast();
  const [chosen, setChosen] = useState<AccountRules>({
    sign_up: rules.sign_up,
    verify_email: rules.verify_email,
    admins_need_second_factor: rules.admins_need_second_factor,
  });
  const save = useAction(
    () => setAccountRules(chosen),
    (saved) => {
      client.setQueryData(['account-rules'], saved);
      toast({ text: 'The rules hold from now on.', tone: 'good' });
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    save.run(undefined);
  }

  return (
    <form className="stack" onSubmit={submit}>
      <label className="field">
        <span>New accounts</span>
        <select
          value={chosen.sign_up}
          onChange={(event) => setChosen({ ...chosen, sign_up: event.target.value as AccountRules['sign_up'] })}
        >
          <option value="open">Everybody may make one</option>
          <option value="invitation">Whoever has an invitation may make one</option>
          <option value="closed">Nobody may make one</option>
        </select>
      </label>
      <label className="admin-check">
        <input
          type="checkbox"
          checked={chosen.verify_email}
          onChange={(event) => setChosen({ ...chosen, verify_email: event.target.checked })}
        />
        <span>E-mail addresses have to be confirmed before anybody gets in</span>
      </label>
      <label className="admin-check">
        <input
          type="checkbox"
          checked={chosen.admins_need_second_factor}
          onChange={(event) => setChosen({ ...chosen, admins_need_second_factor: event.target.checked })}
        />
        <span>Administrators need a second factor</span>
      </label>
      <button type="submit" className="button button-primary" disabled={save.pending}>
        Save
      </button>
    </form>
  );
}

const KINDS: [keyof Retention, string, string][] = [
  ['originals', 'Originals', 'the file that a recording came as; the recording, its transcript and clips stay'],
  ['renditions', 'Clip files', 'the clips stay, and can be rendered again'],
  ['imports', 'Imports', 'whole recordings that were fetched from elsewhere, with their clips'],
];

/** For how long each kind of file is kept. */
export function KeptForm() {
  const { data, error } = useQuery({ queryKey: ['retention'], queryFn: retention });
  return (
    <section className="panel stack" aria-labelledby="kept">
      <h2 id="kept">Kept for</h2>
      <Trouble what="These rules are" error={error} stale={data !== undefined} />
      {data && <Kept key={data.changed_at} rules={data} />}
    </section>
  );
}

function Kept({ rules }: { rules: Retention }) {
  const client = useQueryClient();
  const toast = useToast();
  const [days, setDays] = useState<Retention>({
    originals: rules.originals,
    renditions: rules.renditions,
    imports: rules.imports,
  });
  const save = useAction(
    () => setRetention(days),
    (saved) => {
      client.setQueryData(['retention'], saved);
      toast({ text: 'What is older than that goes within minutes.', tone: 'good' });
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    save.run(undefined);
  }

  return (
    <form className="stack" onSubmit={submit}>
      {KINDS.map(([kind, title, note]) => (
        <label key={kind} className="field">
          <span>
            {title} <small>{note}</small>
          </span>
          <input
            type="number"
            min={1}
            max={36_500}
            placeholder="for ever"
            value={days[kind] ?? ''}
            onChange={(event) => setDays({ ...days, [kind]: Number(event.target.value) || null })}
          />
        </label>
      ))}
      <p className="panel-note">In days; empty is for ever.</p>
      <button type="submit" className="button" disabled={save.pending}>
        Save
      </button>
    </form>
  );
}
