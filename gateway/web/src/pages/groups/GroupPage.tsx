import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import {
  deleteGroup,
  editGroup,
  group as readGroup,
  groupMedia,
  members as readMembers,
  removeMember,
  setMemberRole,
} from '../../api/endpoints';
import { isAway, Problem } from '../../api/http';
import type { Group, GroupRole, Member } from '../../api/types';
import { ago } from '../../format/time';
import { MediaWall } from '../../media/MediaWall';
import { useUser } from '../../session';
import { Avatar } from '../../ui/Avatar';
import { Away, Trouble } from '../../ui/Away';
import { Dialog } from '../../ui/Dialog';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { useToast } from '../../ui/toasts';
import { useAction } from '../../ui/useAction';
import { usePageTitle } from '../../ui/usePageTitle';
import { NotFoundPage } from '../NotFoundPage';
import { Invitations } from './Invitations';
import '../settings.css';
import './groups.css';

/** One circle: what its members show each other, who they are, and inviting more. */
export function GroupPage() {
  const { id = '' } = useParams();
  const { data, error } = useQuery({ queryKey: ['groups', id], queryFn: () => readGroup(id) });
  if (error && !data) {
    if (isAway(error)) return <Away what="This group is" />;
    if (error instanceof Problem && [404, 422].includes(error.status)) return <NotFoundPage />;
    throw error;
  }
  if (!data) return <div className="splash" aria-busy="true" />;
  return <Circle key={id} group={data} error={error} />;
}

function Circle({ group, error }: { group: Group; error: Error | null }) {
  usePageTitle(group.name);
  const staff = group.role !== 'member';
  return (
    <div className="narrow group">
      <header className="page-head">
        <Link to="/groups" className="back-link">
          <Icon name="back" size={16} /> Groups
        </Link>
        <div className="group-title">
          <h1>{group.name}</h1>
          <Actions group={group} />
        </div>
        {group.description && <p>{group.description}</p>}
      </header>
      <Trouble what="This group is" error={error} stale />
      <Shown group={group} />
      <Members group={group} />
      {staff && <Invitations groupId={group.id} />}
    </div>
  );
}

/** What to do with the group as a whole, each asked about first where it can't be taken back. */
function Actions({ group }: { group: Group }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const user = useUser();
  const [doing, setDoing] = useState<'edit' | 'leave' | 'delete' | null>(null);
  const gone = () => {
    void client.invalidateQueries({ queryKey: ['groups'] });
    void navigate('/groups');
  };
  const leave = useAction(() => removeMember(group.id, user.id), gone);
  const dissolve = useAction(() => deleteGroup(group.id), gone);
  const close = () => setDoing(null);
  return (
    <>
      <Menu label="Actions for this group" button="⋯">
        {group.role !== 'member' && (
          <button type="button" className="menu-item" onClick={() => setDoing('edit')}>
            <Icon name="edit" /> Rename or describe
          </button>
        )}
        {group.role === 'owner' ? (
          <button type="button" className="menu-item bad" onClick={() => setDoing('delete')}>
            <Icon name="trash" /> Delete the group
          </button>
        ) : (
          <button type="button" className="menu-item bad" onClick={() => setDoing('leave')}>
            <Icon name="back" /> Leave the group
          </button>
        )}
      </Menu>
      {doing === 'edit' && <EditDialog group={group} onClose={close} />}
      {doing === 'leave' && (
        <Sure
          title={`Leave ${group.name}?`}
          text="You no longer see what its members show it, and what you showed it is yours alone again."
          label="Leave"
          pending={leave.pending}
          onSure={() => leave.run(undefined)}
          onClose={close}
        />
      )}
      {doing === 'delete' && (
        <Sure
          title={`Delete ${group.name}?`}
          text="It is gone for everybody. What its members showed it is theirs alone again; nothing of that is deleted."
          label="Delete the group"
          pending={dissolve.pending}
          onSure={() => dissolve.run(undefined)}
          onClose={close}
        />
      )}
    </>
  );
}

interface SureProps {
  title: string;
  text: string;
  label: string;
  pending: boolean;
  onSure: () => void;
  onClose: () => void;
}

function Sure({ title, text, label, pending, onSure, onClose }: SureProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <footer className="dialog-foot">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="button button-danger" disabled={pending} onClick={onSure}>
          {label}
        </button>
      </footer>
    </Dialog>
  );
}

function EditDialog({ group, onClose }: { group: Group; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(group.name);
  const [description, setDescription] = useState(group.description);
  const save = useAction(
    () => editGroup(group.id, { name: name.trim(), description: description.trim() }),
    () => {
      void client.invalidateQueries({ queryKey: ['groups'] });
      onClose();
    },
  );

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    save.run(undefined);
  }

  return (
    <Dialog title="Rename or describe" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>Name</span>
          <input value={name} required maxLength={80} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          <span>What it is about</span>
          <input value={description} maxLength={1000} onChange={(event) => setDescription(event.target.value)} />
        </label>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={save.pending}>
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** What the members show each other. */
function Shown({ group }: { group: Group }) {
  return (
    <section aria-labelledby="shown" className="stack">
      <h2 id="shown">Shown to this group</h2>
      <MediaWall
        name={['group-media', group.id]}
        read={(cursor) => groupMedia(group.id, cursor)}
        what="What is shown to this group is"
        nothing="Nothing yet. Open a recording or clip of yours and choose who may see it."
      />
    </section>
  );
}

function Members({ group }: { group: Group }) {
  const { data, error } = useQuery({
    queryKey: ['groups', group.id, 'members'],
    queryFn: () => readMembers(group.id),
  });
  return (
    <section className="panel stack" aria-labelledby="members">
      <h2 id="members">
        Members <span className="count">{group.members}</span>
      </h2>
      <Trouble what="The list of members is" error={error} stale={data !== undefined} />
      <ul className="panel-list" data-testid="members">
        {data?.items.map((member) => (
          <MemberRow key={member.user_id} group={group} member={member} />
        ))}
      </ul>
    </section>
  );
}

function MemberRow({ group, member }: { group: Group; member: Member }) {
  const client = useQueryClient();
  const toast = useToast();
  const user = useUser();
  const [handing, setHanding] = useState(false);
  const reread = () => void client.invalidateQueries({ queryKey: ['groups'] });
  const promote = useAction((role: GroupRole) => setMemberRole(group.id, member.user_id, role), reread);
  const remove = useAction(
    () => removeMember(group.id, member.user_id),
    () => {
      toast({ text: `${member.display_name} is no member any more.`, tone: 'good' });
      reread();
    },
  );
  const own = member.user_id === user.id;
  const rules = group.role === 'owner' && !own;
  const removes = !own && member.role !== 'owner' && (rules || (group.role === 'moderator' && member.role === 'member'));
  return (
    <li>
      <Avatar user={{ id: member.user_id, display_name: member.display_name }} picture={member.avatar} />
      <div className="panel-words">
        <strong>
          {member.display_name}
          {own && ' (you)'}
        </strong>
        <span className="card-note">
          {member.role !== 'member' && `${member.role} · `}joined {ago(member.joined_at)}
        </span>
      </div>
      {removes && (
        <Menu label={`Actions for ${member.display_name}`} button="⋯">
          {rules && member.role === 'member' && (
            <button type="button" className="menu-item" onClick={() => promote.run('moderator')}>
              <Icon name="check" /> Make a moderator
            </button>
          )}
          {rules && member.role === 'moderator' && (
            <button type="button" className="menu-item" onClick={() => promote.run('member')}>
              <Icon name="person" /> Make a plain member
            </button>
          )}
          {rules && (
            <button type="button" className="menu-item" onClick={() => setHanding(true)}>
              <Icon name="key" /> Hand the group over
            </button>
          )}
          <button type="button" className="menu-item bad" onClick={() => remove.run(undefined)}>
            <Icon name="trash" /> Remove
          </button>
        </Menu>
      )}
      {handing && (
        <Sure
          title={`Hand the group over to ${member.display_name}?`}
          text="They decide everything in it from then on; you stay as a moderator. Only they can give it back."
          label="Hand it over"
          pending={promote.pending}
          onSure={() => {
            promote.run('owner');
            setHanding(false);
          }}
          onClose={() => setHanding(false)}
        />
      )}
    </li>
  );
}
