/** What stands behind the # of an address: what servers and logs don't get to see. Pure. */

/** What an identity provider's answer came to, in words. */
const PROBLEMS: Record<string, string> = {
  link_first:
    'There is an account with this e-mail address. Sign in to it with its password, then connect the provider on your account’s page.',
  sign_up_closed: 'This server takes no new accounts.',
  invitation_needed: 'An invitation is needed to join this server.',
  account_disabled: 'This account was disabled by an administrator.',
  email_unverified: 'Your e-mail address is not confirmed.',
  email_taken: 'There is an account with this e-mail address. Sign in to it instead.',
  identity_taken: 'This account at the provider belongs to another account here.',
  session_changed: 'You were signed out meanwhile. Sign in, and connect the provider then.',
  provider_away: 'The provider can’t be reached right now. Try again later.',
  access_denied: 'The sign-in was cancelled at the provider.',
};

/** A word behind the #, as somebody is sent back with from another site. */
export function behindHash(hash: string, name: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, '')).get(name);
}

/** What an identity provider's answer came to, as a sentence; empty where all is well. */
export function providerProblem(hash: string): string {
  const code = behindHash(hash, 'problem');
  return code ? (PROBLEMS[code] ?? 'The sign-in with the provider did not work. Try again.') : '';
}
