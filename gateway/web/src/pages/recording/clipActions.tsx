import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { playback, share, shares } from '../../api/endpoints';
import type { Media, Share } from '../../api/types';
import { copy } from '../../ui/clipboard';
import { Dialog } from '../../ui/Dialog';
import { Icon } from '../../ui/icons';
import { useAction } from '../../ui/useAction';
import { useToast } from '../../ui/toasts';

/** Whether a link still plays. */
export function live(link: Share): boolean {
  return link.revoked_at === null && (link.expires_at === null || Date.parse(link.expires_at) > Date.now());
}

/** Copies a link that plays without an account: the clip's newest one, or a new one where it has none. */
export function CopyLinkButton({ media }: { media: Media }) {
  const client = useQueryClient();
  const toast = useToast();
  const [shown, setShown] = useState<string | null>(null);

  const copyLink = useAction(async () => {
    const { items } = await shares(media.id);
    const link = items.find((one) => live(one) && one.url) ?? (await share(media.id, null));
    await client.invalidateQueries({ queryKey: ['shares', media.id] });
    const url = link.url ?? '';
    if (await copy(url)) toast({ text: 'The link is copied. Anyone who has it can watch.', tone: 'good' });
    else setShown(url);
  });

  return (
    <>
      <button
        type="button"
        className="button button-small button-primary"
        disabled={copyLink.pending}
        onClick={() => copyLink.run(undefined)}
      >
        <Icon name="link" size={16} /> Copy link
      </button>
      {shown && <LinkDialog url={shown} onClose={() => setShown(null)} />}
    </>
  );
}

/** For browsers that let no page copy: the link to take by hand. */
function LinkDialog({ url, onClose }: { url: string; onClose: () => void }) {
  return (
    <Dialog title="The link" onClose={onClose}>
      <p>Your browser lets no page copy. Take it from here:</p>
      <input readOnly className="link-field" aria-label="Link" value={url} onFocus={(event) => event.target.select()} />
    </Dialog>
  );
}

/** Saves a clip's file. The address is asked for when it is clicked, as it is good for minutes only. */
export function DownloadLink({ media }: { media: Media }) {
  const download = useAction(async () => {
    const { url } = await playback(media.id);
    const { pathname } = new URL(url, location.href);
    location.assign(`${pathname}?download=1`);
  });
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Download ${media.title}`}
      title="Download"
      disabled={download.pending}
      onClick={() => download.run(undefined)}
    >
      <Icon name="download" />
    </button>
  );
}
