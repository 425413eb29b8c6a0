import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { mail as readMail, mails } from '../../api/endpoints';
import type { Mail } from '../../api/types';
import { ago } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Dialog } from '../../ui/Dialog';
import { Icon } from '../../ui/icons';

/** What was mailed. Without a mail server this is where people's links are read. */
export function MailsTab() {
  const [open, setOpen] = useState<Mail | null>(null);
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['mails'],
    queryFn: ({ pageParam }) => mails(pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="stack" aria-labelledby="mails">
      <h2 id="mails">Mails</h2>
      <p className="panel-note">
        Where no mail server is set up, mails are kept here and as files; pass their links on by hand.
      </p>
      <Trouble what="The list of mails is" error={error} stale={data !== undefined} />
      {data && items.length === 0 && <p className="panel-note">No mail was sent yet.</p>}
      <ul className="panel-list" data-testid="mails">
        {items.map((one) => (
          <li key={one.id}>
            <Icon name="list" />
            <div className="panel-words">
              <strong>{one.subject}</strong>
              <span className="card-note">
                to {one.recipient} · {ago(one.created_at)}
              </span>
              {one.problem && <span className="card-note bad">{one.problem}</span>}
            </div>
            <State mail={one} />
            {one.how !== 'smtp' && (
              <button type="button" className="button button-small button-quiet" onClick={() => setOpen(one)}>
                Read
              </button>
            )}
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show more
        </button>
      )}
      {open && <MailDialog mail={open} onClose={() => setOpen(null)} />}
    </section>
  );
}

function State({ mail }: { mail: Mail }) {
  if (mail.problem && !mail.sent_at) return <span className="chip chip-bad">Not sent</span>;
  if (mail.how === 'smtp') return <span className="chip chip-good">Sent</span>;
  if (mail.how === 'file') return <span className="chip">Kept here</span>;
  return <span className="chip chip-busy">On its way</span>;
}

function MailDialog({ mail, onClose }: { mail: Mail; onClose: () => void }) {
  const { data, error } = useQuery({ queryKey: ['mails', mail.id], queryFn: () => readMail(mail.id) });
  return (
    <Dialog title={mail.subject} onClose={onClose} wide>
      <Trouble what="This mail is" error={error} />
      <pre className="admin-mail">{data ? (data.text ?? 'Its words were not kept.') : '…'}</pre>
    </Dialog>
  );
}
