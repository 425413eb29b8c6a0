import { Link } from 'react-router';
import { Icon } from '../ui/icons';
import { usePageTitle } from '../ui/usePageTitle';

/** For addresses that lead nowhere, and recordings that are gone or somebody else's. */
export function NotFoundPage() {
  usePageTitle('Not found');
  return (
    <section className="empty">
      <Icon name="search" size={36} />
      <h1>There is nothing here</h1>
      <p>The address is wrong, or what it led to was deleted or belongs to somebody else.</p>
      <Link to="/" className="button button-primary">
        Go to the library
      </Link>
    </section>
  );
}
