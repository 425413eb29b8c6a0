import { useQuery, useQueryClient } from '@tanstack/react-query';
import { endOtherPlaces, endPlace, places } from '../../api/endpoints';
import type { Place } from '../../api/types';
import { ago } from '../../format/time';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

/** Where one is signed in. */
export function PlacesPanel() {
  const client = useQueryClient();
  const toast = useToast();
  const { data, error } = useQuery({ queryKey: ['places'], queryFn: places });
  const reread = () => void client.invalidateQueries({ queryKey: ['places'] });
  const others = useAction(endOtherPlaces, ({ ended }) => {
    toast({ text: ended === 1 ? 'One session ended.' : `${ended} sessions ended.`, tone: 'good' });
    reread();
  });
  return (
    <section className="panel stack" aria-labelledby="places">
      <div className="account-line">
        <h2 id="places">Where you are signed in</h2>
        {data && data.items.length > 1 && (
          <button
            type="button"
            className="button button-small"
            disabled={others.pending}
            onClick={() => others.run(undefined)}
          >
            Sign out everywhere else
          </button>
        )}
      </div>
      <Trouble what="The list of sessions is" error={error} stale={data !== undefined} />
      <ul className="panel-list" data-testid="places">
        {data?.items.map((place) => (
          <PlaceRow key={place.id} place={place} onEnded={reread} />
        ))}
      </ul>
    </section>
  );
}

function PlaceRow({ place, onEnded }: { place: Place; onEnded: () => void }) {
  const end = useAction(() => endPlace(place.id), onEnded);
  return (
    <li>
      <Icon name="system" />
      <div className="panel-words">
        <strong>{place.device || 'An unknown device'}</strong>
        <span className="card-note">
          {place.address && `${place.address} · `}
          {place.current ? 'this one' : `seen ${ago(place.last_seen_at)}`}
          {place.strong && ' · with a second factor'}
        </span>
      </div>
      {!place.current && (
        <button
          type="button"
          className="button button-small button-quiet"
          disabled={end.pending}
          onClick={() => end.run(undefined)}
        >
          Sign out
        </button>
      )}
    </li>
  );
}
