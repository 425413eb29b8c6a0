import type { ReactNode } from 'react';
import { Link, NavLink } from 'react-router';
import { signOut } from '../api/endpoints';
import { useLiveState } from '../live/liveState';
import { useMe, useUser } from '../session';
import { useUploads } from '../uploads/uploadContext';
import { Avatar } from './Avatar';
import { DropAnywhere } from './DropAnywhere';
import { Icon, Logo } from './icons';
import { Menu } from './Menu';
import { isDark, useTheme } from './theme';
import { useAction } from './useAction';

/** What stands around every page: the bar on top, the word about being offline, and a place to drop files. */
export function Shell({ children }: { children: ReactNode }) {
  return (
    <>
      <a className="skip-link" href="#main">
        Skip to content
      </a>
      <header className="topbar">
        <div className="topbar-inner">
          <Link to="/" className="brand">
            <Logo />
            <span>Clipstead</span>
          </Link>
          <nav className="topnav" aria-label="Main">
            <NavLink to="/" end>
              Library
            </NavLink>
            <NavLink to="/groups">Groups</NavLink>
            <NavLink to="/explore">Explore</NavLink>
            <AdminLink />
          </nav>
          <div className="topbar-end">
            <UploadNote />
            <ThemeButton />
            <AccountMenu />
          </div>
        </div>
        <OfflineBanner />
        <FactorBanner />
      </header>
      <main id="main" className="page">
        {children}
      </main>
      <DropAnywhere />
    </>
  );
}

/** An administrator without the second factor that they need here has no rights, and is told where to set one up. */
function FactorBanner() {
  const { data } = useMe();
  if (!data?.second_factor_missing) return null;
  return (
    <p className="banner banner-now" role="status">
      <Icon name="alert" size={16} />
      <span>
        Administrators need a second factor here. <Link to="/account">Set one up</Link>, and sign in with it.
      </span>
    </p>
  );
}

/** The console, for those whom it serves. */
function AdminLink() {
  const { data } = useMe();
  return data?.user.role === 'admin' && <NavLink to="/admin">Administration</NavLink>;
}

function UploadNote() {
  const uploads = useUploads().filter((upload) => upload.state === 'uploading' || upload.state === 'waiting');
  if (uploads.length === 0) return null;
  const size = uploads.reduce((sum, upload) => sum + upload.size, 0);
  const sent = uploads.reduce((sum, upload) => sum + upload.sent, 0);
  return (
    <Link to="/" className="upload-note">
      <Icon name="upload" size={16} />
      {size > 0 ? Math.floor((sent / size) * 100) : 0}%
      <span className="visually-hidden"> of {uploads.length} uploads sent</span>
    </Link>
  );
}

function ThemeButton() {
  const [theme, choose] = useTheme();
  const dark = isDark(theme);
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={dark ? 'Use the light theme' : 'Use the dark theme'}
      onClick={() => choose(!dark)}
    >
      <Icon name={dark ? 'sun' : 'moon'} />
    </button>
  );
}

function AccountMenu() {
  const user = useUser();
  // A fresh page, so that nothing of this person stays in memory.
  const leave = useAction(signOut, () => location.assign('/'));
  const name = user.display_name || user.email;
  return (
    <Menu
      label="Account"
      className="avatar-button"
      button={<Avatar user={user} />}
    >
      <p className="menu-note">
        <strong>{name}</strong>
        <span>{user.email}</span>
      </p>
      <Link to="/account" className="menu-item">
        <Icon name="person" /> Account
      </Link>
      <Link to="/keys" className="menu-item">
        <Icon name="key" /> API keys
      </Link>
      <Link to="/system" className="menu-item">
        <Icon name="system" /> System
      </Link>
      <a href="/api/docs" className="menu-item">
        <Icon name="link" /> API documentation
      </a>
      <button type="button" className="menu-item" disabled={leave.pending} onClick={() => leave.run(undefined)}>
        <Icon name="back" /> Sign out
      </button>
    </Menu>
  );
}

/** Only where nothing at all can be had: what is missing of the platform is said in its own place. */
function OfflineBanner() {
  const offline = useLiveState() === 'lost' && !navigator.onLine;
  return (
    <div role="status" aria-live="polite">
      {offline && (
        <p className="banner">
          <Icon name="retry" size={16} />
          You are offline. Uploads and updates go on when you are back.
        </p>
      )}
    </div>
  );
}
