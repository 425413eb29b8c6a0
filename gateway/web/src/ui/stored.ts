import { useCallback, useState } from 'react';

/** State that is remembered on this computer under `key`. What can't be read is forgotten. */
export function useStored<T>(key: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => (read(key) as T | null) ?? initial);

  const change = useCallback(
    (next: T) => {
      setValue(next);
      try {
        localStorage.setItem(key, JSON.stringify(next));
      } catch {
        // Storage is full or blocked: the choice lasts until the page is left.
      }
    },
    [key],
  );

  return [value, change];
}

function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}
