import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { BrowserRouter, Navigate, Route, Routes, useLocation } from 'react-router';
import { isAway, Problem, whenSignedOut } from './api/http';
import { LiveProvider } from './live/LiveProvider';
import { AccountPage } from './pages/account/AccountPage';
import { AdminPage } from './pages/admin/AdminPage';
import { ExplorePage } from './pages/ExplorePage';
import { GroupPage } from './pages/groups/GroupPage';
import { GroupsPage } from './pages/groups/GroupsPage';
import { JoinPage } from './pages/groups/JoinPage';
import { KeysPage } from './pages/KeysPage';
import { LibraryPage } from './pages/library/LibraryPage';
import { ForgottenPage, NewAddressPage, ResetPage, VerifyPage } from './pages/MailedPages';
import { NotFoundPage } from './pages/NotFoundPage';
import { RecordingPage } from './pages/recording/RecordingPage';
import { SignInPage } from './pages/SignInPage';
import { SystemPage } from './pages/SystemPage';
import { WatchPage } from './pages/WatchPage';
import { CurrentUser, useSession } from './session';
import { Away } from './ui/Away';
import { ErrorBoundary } from './ui/ErrorBoundary';
import { Logo } from './ui/icons';
import { Shell } from './ui/Shell';
import { ToastProvider } from './ui/ToastProvider';
import { UploadProvider } from './uploads/UploadProvider';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // A refusal is an answer. What found nobody there is shown as that at once, and asked again until somebody is.
      retry: (count, error) => count < 3 && !isAway(error) && !(error instanceof Problem && error.status < 500),
      refetchInterval: ({ state }) => (isAway(state.error) ? state.error.pause : false),
    },
  },
});

whenSignedOut(() => void client.invalidateQueries({ queryKey: ['session'] }));

/** The web app: everything around the pages, and which page stands at which address. */
export function App() {
  return (
    <QueryClientProvider client={client}>
      <ToastProvider>
        <BrowserRouter>
          <Gate />
        </BrowserRouter>
      </ToastProvider>
    </QueryClientProvider>
  );
}

/** Shows the page that was asked for, or the sign-in in its place. */
function Gate() {
  const { data, error, refetch } = useSession();
  const { pathname } = useLocation();
  if (isAway(error) && !data) return <NotYet />;
  if (error && !data) return <Unreachable detail={error.message} onRetry={() => void refetch()} />;
  if (!data) return <div className="splash" aria-busy="true" />;
  // What a mail leads to is its own page, whoever is signed in here.
  if (pathname === '/forgotten') return <ForgottenPage />;
  if (pathname === '/reset') return <ResetPage />;
  if (pathname === '/verify') return <VerifyPage signedIn={data.user !== null} />;
  if (pathname === '/join') return <JoinPage />;
  if (!data.user) return <SignInPage />;
  if (pathname === '/address') return <NewAddressPage />;
  return (
    <CurrentUser value={data.user}>
      <LiveProvider>
        <UploadProvider>
          <Shell>
            <ErrorBoundary place={pathname}>
              <Pages />
            </ErrorBoundary>
          </Shell>
        </UploadProvider>
      </LiveProvider>
    </CurrentUser>
  );
}

function Pages() {
  return (
    <Routes>
      <Route index element={<LibraryPage />} />
      <Route path="recordings/:id" element={<RecordingPage />} />
      <Route path="system" element={<SystemPage />} />
      <Route path="keys" element={<KeysPage />} />
      <Route path="account" element={<AccountPage />} />
      <Route path="groups" element={<GroupsPage />} />
      <Route path="groups/:id" element={<GroupPage />} />
      <Route path="explore" element={<ExplorePage />} />
      <Route path="watch/:id" element={<WatchPage />} />
      <Route path="admin/*" element={<AdminPage />} />
      <Route path="sign-in" element={<Navigate to="/" replace />} />
      <Route path="*" element={<NotFoundPage />} />
    </Routes>
  );
}

/** In place of everything: without knowing who asks, nothing can be shown. */
function NotYet() {
  return (
    <main className="empty">
      <Logo />
      <h1>Clipstead</h1>
      <Away what="Signing in is" />
    </main>
  );
}

function Unreachable({ detail, onRetry }: { detail: string; onRetry: () => void }) {
  return (
    <main className="empty" role="alert">
      <h1>Clipstead can’t be reached</h1>
      <p>{detail}</p>
      <button type="button" className="button button-primary" onClick={onRetry}>
        Try again
      </button>
    </main>
  );
}
