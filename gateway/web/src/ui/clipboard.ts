/** Copy text; also on plain http, where browsers offer no clipboard API. Resolves to whether it worked. */
export async function copy(text: string): Promise<boolean> {
  if (isSecureContext) {
    const written = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false, // not permitted, or the page has lost the focus
    );
    if (written) return true;
  }
  return copyBySelection(text);
}

function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea');
  field.value = text;
  field.setAttribute('readonly', '');
  field.className = 'offscreen';
  // Inside an open dialog, only what is in the dialog can be selected.
  (document.querySelector('dialog[open]') ?? document.body).append(field);
  field.select();
  // Deprecated, and the only way where the clipboard API is withheld.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
