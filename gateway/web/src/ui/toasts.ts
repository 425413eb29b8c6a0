import { createContext, useContext } from 'react';

export interface Toast {
  text: string;
  tone?: 'plain' | 'good' | 'bad';
  action?: { label: string; run: () => void };
  /** Milliseconds until it goes; errors stay longer by default. */
  lasts?: number;
}

export const ToastContext = createContext<(toast: Toast) => void>(() => undefined);

/** Where toasts are drawn: an open dialog makes all that is outside of it unreachable, so it takes them in. */
export const ToastHost = createContext<(host: HTMLElement | null) => void>(() => undefined);

/** Tell the person something in passing. */
export function useToast(): (toast: Toast) => void {
  return useContext(ToastContext);
}
