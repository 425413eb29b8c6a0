import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { invitations, invite, revokeInvitation } from '../../api/endpoints';
import type { Invitation } from '../../api/types';
import { ahead } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { ShownOnce } from '../../ui/ShownOnce';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

const USES = [1, 5, 25, 100];
const DAYS = [1, 7, 30];

/** Inviting people by link or by mail: into a group, or (null) onto this server. */
export function Invitations({ groupId }: { groupId: string | null }) {
  const client = useQueryClient();
  const key = ['invitations', groupId];
  const { data, error } = useQuery({ queryKey: key, queryFn: () => invitations(groupId) });
  const [made, setMade] = useState<string | null>(null);
  const reread = () => void client.invalidateQueries({ queryKey: key });
  return (
    <section className="panel stack" aria-labelledby="invitations">
      <h2 id="invitations">Invite</h2>
      <NewInvitation
        groupId={groupId}
        onMade={(url) => {
          setMade(url);
          reread();
        }}
      />
      <Trouble what="The list of invitations is" error={error} stale={data !== undefined} />
      <ul className="panel-list" data-testid="invitations">
        {data?.items.map((one) => (
          <Row key={one.id} groupId={groupId} invitation={one} onRevoked={reread} />
        ))}
      </ul>
      {made && (
        <ShownOnce
          title="The invitation"
          words="Whoever has this link can join. It is shown this once."
          what="link"
          value={made}
          onClose={() => setMade(null)}
        />
      )}
    </section>
  );
}

function NewInvitation({ groupId, onMade }: { groupId: string | null; onMade: (url: string) => void }) {
  const toast = useToast();
  const [email, setEmail] = useState('');
  const [days, setDays] = useState(7);
  const [uses, setUses] = useState(1);
  const wanted = email.trim();
  const make = useAction(
    () => invite(groupId, { days, most_uses: wanted ? 1 : uses, ...(wanted ? { email: wanted } : {}) }),
    ({ url }) => {
      if (wanted) toast({ text: `A mail is on its way to ${wanted}.`, tone: 'good' });
      setEmail('');
      onMade(url);
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    make.run(undefined);
  }

  return (
    <form className="invite" onSubmit={submit}>
      <label className="field invite-whom">
        <span>
          E-mail <small>empty: a link for whoever you give it to</small>
        </span>
        <input type="email" maxLength={254} value={email} onChange={(event) => setEmail(event.target.value)} />
      </label>
      <label className="field">
        <span>Good for</span>
        <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
          {DAYS.map((count) => (
            <option key={count} value={count}>
              {count === 1 ? '1 day' : `${count} days`}
            </option>
          ))}
        </select>
      </label>
      {!wanted && (
        <label className="field">
          <span>People</span>
          <select value={uses} onChange={(event) => setUses(Number(event.target.value))}>
            {USES.map((count) => (
              <option key={count} value={count}>
                {count === 1 ? 'one' : `up to ${count}`}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="submit" className="button button-primary" disabled={make.pending}>
        {wanted ? 'Send' : 'Make a link'}
      </button>
    </form>
  );
}

interface RowProps {
  groupId: string | null;
  invitation: Invitation;
  onRevoked: () => void;
}

function Row({ groupId, invitation, onRevoked }: RowProps) {
  const revoke = useAction(() => revokeInvitation(groupId, invitation.id), onRevoked);
  return (
    <li>
      <Icon name="link" />
      <div className="panel-words">
        <strong>{invitation.email ?? 'A link'}</strong>
        <span className="card-note">
          by {invitation.created_by_name} · ends {ahead(invitation.expires_at)}
          {invitation.most_uses > 1 && ` · used by ${invitation.uses} of ${invitation.most_uses}`}
        </span>
      </div>
      <button
        type="button"
        className="button button-small button-quiet"
        disabled={revoke.pending}
        onClick={() => revoke.run(undefined)}
      >
        Take back
      </button>
    </li>
  );
}
