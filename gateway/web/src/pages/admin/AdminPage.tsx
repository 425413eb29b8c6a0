import { NavLink, Route, Routes } from 'react-router';
import { useMe } from '../../session';
import { usePageTitle } from '../../ui/usePageTitle';
import { Invitations } from '../groups/Invitations';
import { NotFoundPage } from '../NotFoundPage';
import { AuditTab } from './AuditTab';
import { MailsTab } from './MailsTab';
import { PeopleTab } from './PeopleTab';
import { KeptForm, RulesForm } from './RulesTab';
import '../settings.css';
import '../groups/groups.css';
import './admin.css';

const TABS = [
  ['', 'People'],
  ['rules', 'Rules'],
  ['mails', 'Mails'],
  ['audit', 'Audit log'],
] as const;

/** What administrators do: people, rules, mails, and the log of who did what. */
export function AdminPage() {
  usePageTitle('Administration');
  const { data } = useMe();
  if (!data) return <div className="splash" aria-busy="true" />;
  if (data.user.role !== 'admin') return <NotFoundPage />;
  return (
    <div className="narrow admin">
      <header className="page-head">
        <h1>Administration</h1>
        <nav className="topnav admin-tabs" aria-label="Administration">
          {TABS.map(([path, title]) => (
            <NavLink key={path} to={`/admin/${path}`} end>
              {title}
            </NavLink>
          ))}
        </nav>
      </header>
      <Routes>
        <Route index element={<PeopleTab />} />
        <Route
          path="rules"
          element={
            <>
              <RulesForm />
              <Invitations groupId={null} />
              <KeptForm />
            </>
          }
        />
        <Route path="mails" element={<MailsTab />} />
        <Route path="audit" element={<AuditTab />} />
        <Route path="*" element={<NotFoundPage />} />
      </Routes>
    </div>
  );
}
