import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { dropIdentity, identities, linkProvider, providers } from '../../api/endpoints';
import type { Identity } from '../../api/types';
import { providerProblem } from '../../format/hash';
import { ago } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useProved } from '../../ui/useProved';

/** Accounts elsewhere that sign one in here. Not there where no provider is set up. */
export function ElsewherePanel() {
  const client = useQueryClient();
  const offered = useQuery({ queryKey: ['providers'], queryFn: providers, staleTime: Infinity }).data?.items ?? [];
  const { data, error } = useQuery({ queryKey: ['identities'], queryFn: identities });
  const [problem] = useState(() => providerProblem(location.hash));
  const link = useProved(linkProvider, ({ url }) => location.assign(url));
  if (offered.length === 0 && !data?.items.length) return null;
  return (
    <section className="panel stack" aria-labelledby="elsewhere">
      <h2 id="elsewhere">Accounts elsewhere</h2>
      <p className="panel-note">Each of them signs you in here, too.</p>
      {problem && (
        <p className="form-problem" role="alert">
          <Icon name="alert" /> {problem}
        </p>
      )}
      <Trouble what="The list is" error={error} stale={data !== undefined} />
      <ul className="panel-list" data-testid="identities">
        {data?.items.map((one) => (
          <IdentityRow
            key={one.id}
            identity={one}
            onDropped={() => void client.invalidateQueries({ queryKey: ['identities'] })}
          />
        ))}
      </ul>
      <div className="account-line">
        {offered.map((provider) => (
          <button
            key={provider.id}
            type="button"
            className="button"
            disabled={link.pending}
            onClick={() => link.run(provider.id)}
          >
            Connect {provider.name}
          </button>
        ))}
      </div>
      {link.dialog}
    </section>
  );
}

function IdentityRow({ identity, onDropped }: { identity: Identity; onDropped: () => void }) {
  const drop = useProved(() => dropIdentity(identity.id), onDropped);
  return (
    <li>
      <Icon name="link" />
      <div className="panel-words">
        <strong>{identity.provider}</strong>
        <span className="card-note">
          {identity.email && `${identity.email} · `}connected {ago(identity.created_at)}
        </span>
      </div>
      <button
        type="button"
        className="button button-small button-quiet"
        disabled={drop.pending}
        onClick={() => drop.run(undefined)}
      >
        Disconnect
      </button>
      {drop.dialog}
    </li>
  );
}
