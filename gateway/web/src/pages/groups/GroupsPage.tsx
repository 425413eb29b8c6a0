import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { groups, makeGroup } from '../../api/endpoints';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useAction } from '../../ui/useAction';
import { usePageTitle } from '../../ui/usePageTitle';
import '../settings.css';
import './groups.css';

/** The circles that one is in, and making another. */
export function GroupsPage() {
  usePageTitle('Groups');
  const { data, error } = useQuery({ queryKey: ['groups'], queryFn: groups });
  return (
    <div className="narrow">
      <header className="page-head">
        <h1>Groups</h1>
        <p>Circles of friends. What you show a group, its members see, and nobody else on this server.</p>
      </header>
      <Trouble what="The list of groups is" error={error} stale={data !== undefined} />
      {data?.items.length === 0 && (
        <p className="panel-note">You are in no group yet. Make one and invite your friends, or ask for an invitation.</p>
      )}
      <ul className="panel-list" data-testid="groups">
        {data?.items.map((one) => (
          <li key={one.id}>
            <Icon name="people" />
            <div className="panel-words">
              <Link to={`/groups/${one.id}`}>
                <strong>{one.name}</strong>
              </Link>
              <span className="card-note">
                {one.members === 1 ? 'only you' : `${one.members} members`}
                {one.role !== 'member' && ` · you are its ${one.role}`}
                {one.description && ` · ${one.description}`}
              </span>
            </div>
          </li>
        ))}
      </ul>
      <NewGroup />
    </div>
  );
}

function NewGroup() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const make = useAction(
    () => makeGroup(name.trim(), description.trim()),
    (made) => {
      void client.invalidateQueries({ queryKey: ['groups'] });
      void navigate(`/groups/${made.id}`);
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    make.run(undefined);
  }

  return (
    <form className="panel stack" onSubmit={submit} aria-labelledby="new-group">
      <h2 id="new-group">A new group</h2>
      <label className="field">
        <span>Name</span>
        <input
          value={name}
          required
          maxLength={80}
          placeholder="Sunday climbers"
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label className="field">
        <span>
          What it is about <small>optional</small>
        </span>
        <input value={description} maxLength={1000} onChange={(event) => setDescription(event.target.value)} />
      </label>
      <button type="submit" className="button button-primary" disabled={make.pending}>
        Make the group
      </button>
    </form>
  );
}
