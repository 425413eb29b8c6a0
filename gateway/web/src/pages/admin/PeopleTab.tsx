import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { Link } from 'react-router';
import { deletePerson, dropFactors, editPerson, people, type PeopleFilter, signOutPerson } from '../../api/endpoints';
import type { AdminUser, Role } from '../../api/types';
import { ago, date } from '../../format/time';
import { useUser } from '../../session';
import { Avatar } from '../../ui/Avatar';
import { Trouble } from '../../ui/Away';
import { Dialog } from '../../ui/Dialog';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

const ROLES: [Role, string][] = [
  ['user', 'User'],
  ['speaker', 'Speaker'],
  ['moderator', 'Moderator'],
  ['admin', 'Administrator'],
];

/** Everybody with an account: found, given roles, disabled, helped, removed. */
export function PeopleTab() {
  const [filter, setFilter] = useState<PeopleFilter>({ q: '', role: '', disabled: '' });
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['people', filter],
    queryFn: ({ pageParam }) => people(filter, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (previous) => previous,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="stack" aria-labelledby="people">
      <h2 id="people">
        People <span className="count">{data?.pages[0]?.total ?? ''}</span>
      </h2>
      <div className="admin-filters">
        <label className="search admin-grow">
          <Icon name="search" size={16} />
          <span className="visually-hidden">Name or address</span>
          <input
            type="search"
            placeholder="Name or address"
            maxLength={200}
            onChange={(event) => setFilter({ ...filter, q: event.target.value.trim() })}
          />
        </label>
        <label>
          <span className="visually-hidden">Role</span>
          <select
            value={filter.role}
            onChange={(event) => setFilter({ ...filter, role: event.target.value as PeopleFilter['role'] })}
          >
            <option value="">Every role</option>
            {ROLES.map(([role, title]) => (
              <option key={role} value={role}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="visually-hidden">State</span>
          <select
            value={filter.disabled}
            onChange={(event) => setFilter({ ...filter, disabled: event.target.value as PeopleFilter['disabled'] })}
          >
            <option value="">Enabled and disabled</option>
            <option value="false">Enabled</option>
            <option value="true">Disabled</option>
          </select>
        </label>
      </div>
      <Trouble what="The list of people is" error={error} stale={data !== undefined} />
      {!isPending && items.length === 0 && <p className="panel-note">Nobody is like that.</p>}
      <ul className="panel-list" data-testid="people">
        {items.map((person) => (
          <PersonRow key={person.id} person={person} />
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show more
        </button>
      )}
    </section>
  );
}

function PersonRow({ person }: { person: AdminUser }) {
  const client = useQueryClient();
  const toast = useToast();
  const user = useUser();
  const [asking, setAsking] = useState<'disable' | 'delete' | null>(null);
  const reread = () => void client.invalidateQueries({ queryKey: ['people'] });
  const told = (text: string) => {
    toast({ text, tone: 'good' });
    reread();
  };
  const change = useAction((changes: { role?: Role; disabled?: boolean }) => editPerson(person.id, changes), reread);
  const signOut = useAction(
    () => signOutPerson(person.id),
    () => told(`${person.display_name} is signed out everywhere.`),
  );
  const drop = useAction(
    () => dropFactors(person.id),
    () => told(`${person.display_name} signs in with the password alone now.`),
  );
  const own = person.id === user.id;
  return (
    <li data-testid="person">
      <Avatar user={person} />
      <div className="panel-words">
        <strong>
          {person.display_name} {own && '(you)'}
        </strong>
        <span className="card-note">
          {person.email} · {person.last_seen_at ? `seen ${ago(person.last_seen_at)}` : 'not signed in'} · since{' '}
          {date(person.created_at)}
        </span>
        <span className="admin-chips">
          {!person.email_verified && <span className="chip chip-warm">Address not confirmed</span>}
          {person.second_factor && <span className="chip chip-good">Second factor</span>}
          {person.disabled_at && <span className="chip chip-bad">Disabled {ago(person.disabled_at)}</span>}
          {person.delete_after && <span className="chip chip-warm">Leaves on {date(person.delete_after)}</span>}
        </span>
      </div>
      {own ? (
        <span className="chip">{ROLES.find(([role]) => role === person.role)?.[1]}</span>
      ) : (
        <>
          <label className="admin-role">
            <span className="visually-hidden">Role of {person.display_name}</span>
            <select
              value={person.role}
              disabled={change.pending}
              onChange={(event) => change.run({ role: event.target.value as Role })}
            >
              {ROLES.map(([role, title]) => (
                <option key={role} value={role}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <Menu label={`Actions for ${person.display_name}`} button="⋯">
            <Link to={`/admin/audit?person=${person.id}`} className="menu-item">
              <Icon name="list" /> What they did
            </Link>
            <button type="button" className="menu-item" onClick={() => signOut.run(undefined)}>
              <Icon name="back" /> Sign out everywhere
            </button>
            {person.second_factor && (
              <button type="button" className="menu-item" onClick={() => drop.run(undefined)}>
                <Icon name="key" /> Remove second factors
              </button>
            )}
            {person.disabled_at ? (
              <button type="button" className="menu-item" onClick={() => change.run({ disabled: false })}>
                <Icon name="check" /> Enable again
              </button>
            ) : (
              <button type="button" className="menu-item bad" onClick={() => setAsking('disable')}>
                <Icon name="close" /> Disable
              </button>
            )}
            <button type="button" className="menu-item bad" onClick={() => setAsking('delete')}>
              <Icon name="trash" /> Delete with everything
            </button>
          </Menu>
        </>
      )}
      {asking === 'disable' && (
        <Dialog title={`Disable ${person.display_name}?`} onClose={() => setAsking(null)}>
          <p>
            They are signed out everywhere, their keys stop working, and what they shared is hidden. Nothing is deleted: enable
            them again and all is as it was.
          </p>
          <footer className="dialog-foot">
            <button type="button" className="button" onClick={() => setAsking(null)}>
              Cancel
            </button>
            <button
              type="button"
              className="button button-danger"
              onClick={() => {
                change.run({ disabled: true });
                setAsking(null);
              }}
            >
              Disable
            </button>
          </footer>
        </Dialog>
      )}
      {asking === 'delete' && <DeleteDialog person={person} onClose={() => setAsking(null)} onDone={told} />}
    </li>
  );
}

interface DeleteDialogProps {
  person: AdminUser;
  onClose: () => void;
  onDone: (text: string) => void;
}

function DeleteDialog({ person, onClose, onDone }: DeleteDialogProps) {
  const [typed, setTyped] = useState('');
  const remove = useAction(
    () => deletePerson(person.id),
    () => {
      onClose();
      onDone(`${person.email} is deleted.`);
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    remove.run(undefined);
  }

  return (
    <Dialog title={`Delete ${person.display_name}?`} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p>The account goes at once, with every recording, clip and link of theirs. This can’t be taken back.</p>
        <label className="field">
          <span>Type {person.email}</span>
          <input value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />
        </label>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Keep the account
          </button>
          <button
            type="submit"
            className="button button-danger"
            disabled={remove.pending || typed.trim().toLowerCase() !== person.email}
          >
            Delete for good
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
