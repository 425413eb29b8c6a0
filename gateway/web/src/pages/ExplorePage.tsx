import { useDeferredValue, useState } from 'react';
import { publicMedia } from '../api/endpoints';
import { MediaWall } from '../media/MediaWall';
import { Icon } from '../ui/icons';
import { usePageTitle } from '../ui/usePageTitle';

/** What people on this server show everybody. */
export function ExplorePage() {
  usePageTitle('Explore');
  const [search, setSearch] = useState('');
  const q = useDeferredValue(search.trim());
  return (
    <section className="stack" aria-labelledby="explore">
      <header className="page-head">
        <h1 id="explore">Explore</h1>
        <p>What people here show everybody.</p>
        <label className="search">
          <Icon name="search" size={16} />
          <span className="visually-hidden">Search</span>
          <input
            type="search"
            placeholder="Search titles"
            maxLength={200}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        </label>
      </header>
      <MediaWall
        name={['public-media', q]}
        read={(cursor) => publicMedia(q, cursor)}
        what="What people show is"
        nothing={q ? 'Nothing here is called that.' : 'Nobody shows anything to everybody yet.'}
      />
    </section>
  );
}
