import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { revokeShare, share, shares } from '../../api/endpoints';
import type { Media, Share } from '../../api/types';
import { bytes } from '../../format/bytes';
import { clock, date } from '../../format/time';
import { usePlayer } from '../../media/player';
import { usePlayback } from '../../media/queries';
import { copy } from '../../ui/clipboard';
import { Dialog } from '../../ui/Dialog';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { useAction } from '../../ui/useAction';
import { useToast } from '../../ui/toasts';
import { CopyLinkButton, DownloadLink, live } from './clipActions';
import { Expiry } from './Expiry';
import { WhoSees } from './WhoSees';

/** Plays a clip and manages the links to it. */
export function ClipDialog({ clip, onClose }: { clip: Media; onClose: () => void }) {
  const { data, error } = usePlayback(clip.id, clip.status === 'ready');
  const [src, setSrc] = useState<string>();
  const recording = usePlayer();
  const file = clip.files[0];

  // Two voices at once help nobody.
  useEffect(() => recording.pause(), [recording]);

  return (
    <Dialog title={clip.title} onClose={onClose} wide>
      <div className="clip-dialog">
        <div className="clip-screen">
          {error && !data ? (
            <Trouble what="Playing is" error={error} />
          ) : (
            <video
              src={src ?? data?.url}
              poster={data?.poster_url ?? undefined}
              controls
              autoPlay
              playsInline
              data-testid="clip-player"
              onPlay={() => setSrc(src ?? data?.url)}
            />
          )}
        </div>
        <div className="clip-details">
          {clip.reason && <p className="clip-reason">{clip.reason}</p>}
          <dl className="facts">
            {clip.score !== null && <Fact name="Score" value={`${Math.round(clip.score * 100)} of 100`} />}
            {clip.start !== null && clip.end !== null && (
              <Fact name="Span" value={`${clock(clip.start)} – ${clock(clip.end)}`} />
            )}
            {file && <Fact name="Picture" value={`${file.width}×${file.height}`} />}
            {file && <Fact name="Size" value={bytes(file.size)} />}
          </dl>
          <div className="clip-actions">
            <CopyLinkButton media={clip} />
            <DownloadLink media={clip} />
          </div>
          <div className="clip-chips">
            <WhoSees media={clip} />
            <Expiry media={clip} />
          </div>
          <Links clip={clip} />
        </div>
      </div>
    </Dialog>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const DAY = 86_400; // seconds
const LIFETIMES = [
  { title: '1 day', seconds: DAY },
  { title: '7 days', seconds: 7 * DAY },
  { title: '30 days', seconds: 30 * DAY },
];

function Links({ clip }: { clip: Media }) {
  const client = useQueryClient();
  const { data, error } = useQuery({ queryKey: ['shares', clip.id], queryFn: () => shares(clip.id) });
  const [lifetime, setLifetime] = useState(LIFETIMES[1]?.seconds ?? DAY);
  const reread = () => void client.invalidateQueries({ queryKey: ['shares', clip.id] });
  const make = useAction(() => share(clip.id, lifetime), reread);
  const links = data?.items.filter(live) ?? [];
  return (
    <section className="links" aria-labelledby="links-title">
      <h3 id="links-title">Links</h3>
      <Trouble what="The links are" error={error} stale={data !== undefined} />
      {data && links.length === 0 && <p className="panel-note">No link leads to this clip.</p>}
      <ul>
        {links.map((link) => (
          <LinkRow key={link.id} link={link} onChanged={reread} />
        ))}
      </ul>
      <div className="link-maker">
        <label>
          <span className="visually-hidden">New link, good for </span>
          <select value={lifetime} onChange={(event) => setLifetime(Number(event.target.value))}>
            {LIFETIMES.map((one) => (
              <option key={one.seconds} value={one.seconds}>
                Good for {one.title}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button button-small" disabled={make.pending} onClick={() => make.run(undefined)}>
          <Icon name="plus" size={16} /> New link
        </button>
      </div>
    </section>
  );
}

function LinkRow({ link, onChanged }: { link: Share; onChanged: () => void }) {
  const toast = useToast();
  const revoke = useAction(() => revokeShare(link.id), onChanged);

  async function take(url: string): Promise<void> {
    const done = await copy(url);
    toast(done ? { text: 'The link is copied.', tone: 'good' } : { text: `Take it from here: ${url}`, lasts: 20_000 });
  }

  const { url } = link;
  return (
    <li className="link-row">
      <div>
        {url ? (
          <a href={url} target="_blank" rel="noreferrer" className="clipped">
            {url.replace(/^https?:\/\//, '')}
          </a>
        ) : (
          <span>A link</span>
        )}
        <span className="card-note">
          {link.expires_at ? `until ${date(link.expires_at)}` : 'for ever'} ·{' '}
          {link.views === 1 ? '1 view' : `${link.views} views`}
        </span>
      </div>
      {url && (
        <button type="button" className="icon-button" aria-label="Copy this link" onClick={() => void take(url)}>
          <Icon name="copy" size={16} />
        </button>
      )}
      <button
        type="button"
        className="button button-small button-quiet bad"
        disabled={revoke.pending}
        onClick={() => revoke.run(undefined)}
      >
        Revoke
      </button>
    </li>
  );
}
