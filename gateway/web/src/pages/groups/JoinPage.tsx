import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { acceptInvitation, lookAtInvitation } from '../../api/endpoints';
import { isAway } from '../../api/http';
import { useSession } from '../../session';
import { Away } from '../../ui/Away';
import { Logo } from '../../ui/icons';
import { useAction } from '../../ui/useAction';
import { usePageTitle } from '../../ui/usePageTitle';
import { SignInPage } from '../SignInPage';

/** What the link of an invitation leads to: joining, or first an account to join with. */
export function JoinPage() {
  usePageTitle('Invitation');
  const client = useQueryClient();
  const navigate = useNavigate();
  // Its secret stands behind the #, which no server and no log gets to see.
  const [token] = useState(() => new URLSearchParams(location.hash.replace(/^#/, '')).get('token') ?? '');
  const user = useSession().data?.user ?? null;
  const { data: offer, error } = useQuery({
    queryKey: ['invitation', token, user?.id],
    queryFn: () => lookAtInvitation(token),
    staleTime: Infinity,
  });
  const accept = useAction(
    () => acceptInvitation(token),
    (joined) => {
      void client.invalidateQueries({ queryKey: ['groups'] });
      void navigate(`/groups/${joined.id}`, { replace: true });
    },
  );
  if (offer && !user) return <SignInPage invited={{ token, offer }} />;
  if (!offer && !error) return <div className="splash" aria-busy="true" />;
  return (
    <main className="single">
      <p className="welcome-brand">
        <Logo size={34} /> Clipstead
      </p>
      <section className="panel stack">
        {!offer ? (
          isAway(error) ? (
            <Away what="The invitation is" />
          ) : (
            <>
              <h1>This invitation leads nowhere</h1>
              <p>It is over, was used up or was taken back. Ask for another one.</p>
              <Link to="/" className="button">
                Go to Clipstead
              </Link>
            </>
          )
        ) : offer.group && !offer.member ? (
          <>
            <h1>Join {offer.group.name}?</h1>
            <p>
              {offer.invited_by} invites you. Its members see your name and picture, and what you choose to show them.
            </p>
            <button
              type="button"
              className="button button-primary button-wide"
              disabled={accept.pending}
              onClick={() => accept.run(undefined)}
            >
              Join
            </button>
            <Link to="/" className="button button-quiet">
              Not now
            </Link>
          </>
        ) : (
          <>
            <h1>You are in already</h1>
            <p>{offer.group ? `You are a member of ${offer.group.name}.` : 'You have an account on this server.'}</p>
            <Link to={offer.group ? `/groups/${offer.group.id}` : '/'} className="button button-primary">
              Go there
            </Link>
          </>
        )}
      </section>
    </main>
  );
}
