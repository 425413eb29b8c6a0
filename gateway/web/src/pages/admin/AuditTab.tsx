import { useInfiniteQuery } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { useSearchParams } from 'react-router';
import { audit } from '../../api/endpoints';
import type { AuditEntry } from '../../api/types';
import { endOfDay, isoDay, startOfDay } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';

const RESULTS = [
  ['', 'Every result'],
  ['ok', 'Done'],
  ['wrong_credentials', 'Wrong password'],
  ['token_reused', 'Token used again'],
  ['unknown_delegated_user', 'Acted for nobody'],
  ['missing_scope', 'Not allowed'],
] as const;

function dayOf(stamp: string): string {
  return stamp ? isoDay(new Date(stamp)) : '';
}

/** Who did what, on whom, from where, and how it ended. Its filters stand in the address, so that a search can be passed on. */
export function AuditTab() {
  const [search, setSearch] = useSearchParams();
  const filter = {
    action: search.get('action') ?? '',
    result: search.get('result') ?? '',
    person: search.get('person') ?? '',
    since: search.get('since') ?? '',
    until: search.get('until') ?? '',
  };
  const [action, setAction] = useState(filter.action);
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam }) => audit(filter, pageParam),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (previous) => previous,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];

  function narrow(change: Partial<typeof filter>): void {
    const wanted = Object.entries({ ...filter, ...change }).filter(([, value]) => value !== '');
    setSearch(Object.fromEntries(wanted), { replace: true });
  }

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    narrow({ action: action.trim() });
  }

  return (
    <section className="stack" aria-labelledby="audit">
      <h2 id="audit">Audit log</h2>
      <form className="admin-filters" onSubmit={submit}>
        <label className="search admin-grow">
          <Icon name="search" size={16} />
          <span className="visually-hidden">Beginning of the act</span>
          <input
            type="search"
            placeholder="session., user., group., delegated."
            maxLength={100}
            value={action}
            onChange={(event) => setAction(event.target.value)}
          />
        </label>
        <label>
          <span className="visually-hidden">Result</span>
          <select value={filter.result} onChange={(event) => narrow({ result: event.target.value })}>
            {RESULTS.map(([result, title]) => (
              <option key={result} value={result}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="visually-hidden">From this day on</span>
          <input
            type="date"
            value={dayOf(filter.since)}
            onChange={({ target }) => narrow({ since: target.value ? startOfDay(target.value) : '' })}
          />
        </label>
        <label>
          <span className="visually-hidden">Until this day</span>
          <input
            type="date"
            value={dayOf(filter.until)}
            onChange={({ target }) => narrow({ until: target.value ? endOfDay(target.value) : '' })}
          />
        </label>
        <button type="submit" className="button">
          Search
        </button>
        {filter.person && (
          <button type="button" className="button button-quiet" onClick={() => narrow({ person: '' })}>
            Everybody’s
          </button>
        )}
      </form>
      <Trouble what="The audit log is" error={error} stale={data !== undefined} />
      {data && items.length === 0 && <p className="panel-note">Nothing like that happened.</p>}
      {items.length > 0 && (
        <div className="admin-table">
          <table data-testid="audit">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">On whom or what</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {items.map((entry) => (
                <Entry key={entry.position} entry={entry} onPerson={(person) => narrow({ person })} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show more
        </button>
      )}
    </section>
  );
}

function Entry({ entry, onPerson }: { entry: AuditEntry; onPerson: (id: string) => void }) {
  const { actor_id: actor } = entry;
  return (
    <tr>
      <td>
        <time dateTime={entry.at}>{new Date(entry.at).toLocaleString()}</time>
      </td>
      <td>
        {actor ? (
          <button type="button" className="admin-name" onClick={() => onPerson(actor)}>
            {entry.actor}
          </button>
        ) : (
          entry.actor
        )}
        {entry.delegate && <small> through {entry.delegate}</small>}
      </td>
      <td>
        <code>{entry.action}</code>
        {entry.result !== 'ok' && <span className="chip chip-bad">{entry.result}</span>}
      </td>
      <td>{entry.target}</td>
      <td>
        {entry.address}
        {entry.device && <small> {entry.device}</small>}
      </td>
    </tr>
  );
}
