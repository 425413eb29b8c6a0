import { useQuery, useQueryClient } from '@tanstack/react-query';
import { editMedia, groups, type MediaEdit } from '../../api/endpoints';
import type { Media } from '../../api/types';
import { show } from '../../live/cache';
import { copy } from '../../ui/clipboard';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';

/** Who may see a recording or clip, in a chip that its owner can change it with. */
export function WhoSees({ media }: { media: Media }) {
  const client = useQueryClient();
  const toast = useToast();
  const { data } = useQuery({ queryKey: ['groups'], queryFn: groups });
  const circle = data?.items.find((one) => one.id === media.group_id);
  const words = {
    private: 'Only you',
    group: circle ? circle.name : 'A group',
    unlisted: 'Whoever has its address',
    public: 'Everybody here',
  };
  const open = useAction(
    (edit: MediaEdit) => editMedia(media.id, '*', edit),
    (edited) => {
      show(client, edited);
      void client.invalidateQueries({ queryKey: ['group-media'] });
      const to = edited.group_id ? data?.items.find((one) => one.id === edited.group_id)?.name : undefined;
      toast({ text: said(edited, to), tone: 'good' });
    },
  );

  async function take(): Promise<void> {
    const address = `${location.origin}/watch/${media.id}`;
    const done = await copy(address);
    toast(done ? { text: 'Its address is copied.', tone: 'good' } : { text: `Take it from here: ${address}`, lasts: 20_000 });
  }

  const tick = (chosen: boolean) => chosen && <Icon name="check" size={16} />;
  return (
    <Menu
      label={`Seen by: ${words[media.visibility]}. Change it`}
      className="chip"
      button={
        <>
          <Icon name={media.visibility === 'private' ? 'person' : 'people'} size={13} /> {words[media.visibility]}
        </>
      }
    >
      <button type="button" className="menu-item" onClick={() => open.run({ visibility: 'private' })}>
        Only you{tick(media.visibility === 'private')}
      </button>
      {data?.items.map((one) => (
        <button
          key={one.id}
          type="button"
          className="menu-item"
          onClick={() => open.run({ visibility: 'group', group_id: one.id })}
        >
          {one.name}
          {tick(media.group_id === one.id)}
        </button>
      ))}
      <button type="button" className="menu-item" onClick={() => open.run({ visibility: 'unlisted' })}>
        Whoever has its address{tick(media.visibility === 'unlisted')}
      </button>
      <button type="button" className="menu-item" onClick={() => open.run({ visibility: 'public' })}>
        Everybody here{tick(media.visibility === 'public')}
      </button>
      {media.visibility !== 'private' && (
        <button type="button" className="menu-item" onClick={() => void take()}>
          <Icon name="link" /> Copy its address
        </button>
      )}
    </Menu>
  );
}

function said(media: Media, group: string | undefined): string {
  if (media.visibility === 'private') return 'Only you see it now.';
  if (media.visibility === 'group') return `The members of ${group ?? 'the group'} see it now.`;
  return media.visibility === 'public' ? 'Everybody on this server sees it now.' : 'Whoever has its address sees it now.';
}
