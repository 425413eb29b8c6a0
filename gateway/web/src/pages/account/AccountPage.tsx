import { useMe } from '../../session';
import { Trouble } from '../../ui/Away';
import { usePageTitle } from '../../ui/usePageTitle';
import { ElsewherePanel } from './ElsewherePanel';
import { FactorsPanel } from './FactorsPanel';
import { LeavingPanel } from './LeavingPanel';
import { PasswordPanel } from './PasswordPanel';
import { PlacesPanel } from './PlacesPanel';
import { ProfilePanel } from './ProfilePanel';
import '../settings.css';
import './account.css';

/** The signed-in person's own account: who they are, how they sign in, where they are signed in, and leaving. */
export function AccountPage() {
  usePageTitle('Account');
  const { data, error } = useMe();
  return (
    <div className="narrow account">
      <header className="page-head">
        <h1>Account</h1>
        <p>Who you are here, how you sign in, and where you are signed in.</p>
      </header>
      <Trouble what="Your account is" error={error} stale={data !== undefined} />
      {data?.second_factor_missing && (
        <p className="form-problem" role="alert">
          Administrators need a second factor here. Set one up below; until then you have no administrator’s rights.
        </p>
      )}
      {data && (
        <>
          <ProfilePanel user={data.user} />
          <PasswordPanel user={data.user} />
          <FactorsPanel />
          <ElsewherePanel />
          <PlacesPanel />
          <LeavingPanel user={data.user} />
        </>
      )}
    </div>
  );
}
