import { useState } from 'react';
import { avatarUrl } from '../api/endpoints';

interface AvatarProps {
  user: { id: string; display_name: string; email?: string };
  /** Where it is; null where there is none. Left out, it is looked for. */
  picture?: string | null;
  size?: 'small' | 'large';
}

/** Somebody's picture, or the first letter of their name where they have none. */
export function Avatar({ user, picture, size = 'small' }: AvatarProps) {
  const [missing, setMissing] = useState(picture === null);
  const name = user.display_name || (user.email ?? '?');
  const className = size === 'large' ? 'avatar avatar-large' : 'avatar';
  if (missing) return <span className={className}>{name.slice(0, 1).toUpperCase()}</span>;
  return <img className={className} src={picture ?? avatarUrl(user.id)} alt="" onError={() => setMissing(true)} />;
}
