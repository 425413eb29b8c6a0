import { useEffect } from 'react';

/** Name the page in the tab and to screen readers. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Clipstead` : 'Clipstead';
  }, [title]);
}
