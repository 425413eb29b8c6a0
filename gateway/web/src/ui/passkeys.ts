/** Passkeys in this browser: WebAuthn, with options and answers as JSON. */

/** Whether this browser can use passkeys at all; on plain HTTP it can on localhost alone. */
export const canUsePasskeys =
  typeof PublicKeyCredential !== 'undefined' && typeof PublicKeyCredential.parseRequestOptionsFromJSON === 'function';

/** Make a passkey. Throws what the browser throws where nobody agrees. */
export async function makePasskey(options: PublicKeyCredentialCreationOptionsJSON): Promise<unknown> {
  const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  return (made as PublicKeyCredential).toJSON();
}

/** Sign a question with a passkey. */
export async function usePasskey(options: PublicKeyCredentialRequestOptionsJSON): Promise<unknown> {
  const signed = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return (signed as PublicKeyCredential).toJSON();
}

/** What to tell somebody whose browser refused; null where they cancelled it themselves. */
export function refusalOf(error: unknown): string | null {
  if (!(error instanceof DOMException)) return null;
  if (error.name === 'NotAllowedError' || error.name === 'AbortError') return 'No passkey was used.';
  if (error.name === 'InvalidStateError') return 'This device has a passkey for your account already.';
  return 'This browser could not use a passkey here.';
}
