import { useState } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'clipstead.theme'; // public/theme.js reads it before the first paint

function stored(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}

/** Whether dark is what is seen now. */
export function isDark(theme: Theme): boolean {
  return theme === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark';
}

/** The chosen theme, and how to choose another. Choosing what the system has anyway follows the system again. */
export function useTheme(): [Theme, (dark: boolean) => void] {
  const [theme, setTheme] = useState<Theme>(stored);

  function choose(dark: boolean): void {
    const next: Theme = isDark('system') === dark ? 'system' : dark ? 'dark' : 'light';
    if (next === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    remember(next);
    setTheme(next);
  }

  return [theme, choose];
}

function remember(theme: Theme): void {
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked in this browser: the choice lasts until the page is left.
  }
}
