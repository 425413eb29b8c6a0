import { useQuery } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import { me, session } from './api/endpoints';
import { rememberSession } from './api/http';
import type { User } from './api/types';

/** Who is signed in. Reading it also renews the token that changing requests carry. */
export function useSession() {
  return useQuery({
    queryKey: ['session'],
    queryFn: async () => {
      const current = await session();
      rememberSession(current);
      return current;
    },
    staleTime: 5 * 60_000,
  });
}

export const CurrentUser = createContext<User | null>(null);

/** The signed-in person. Only for what stands behind the sign-in. */
export function useUser(): User {
  const user = useContext(CurrentUser);
  if (!user) throw new Error('No one is signed in.');
  return user;
}

/** The signed-in person's own account, as auth knows it: role, language, and whether a second factor is missing. */
export function useMe() {
  return useQuery({ queryKey: ['me'], queryFn: me });
}
