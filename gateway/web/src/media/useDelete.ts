import { useQueryClient } from '@tanstack/react-query';
import { deleteMedia } from '../api/endpoints';
import { sentence } from '../api/http';
import type { Media } from '../api/types';
import { bringBack, hide } from '../live/cache';
import { useToast } from '../ui/toasts';

const SECONDS_TO_UNDO = 7;

/**
 * Delete a recording or clip in a way that can be taken back: it leaves the lists at once, and is deleted when the offer
 * to undo has passed or the page is left.
 */
export function useDelete(): (media: Media) => void {
  const client = useQueryClient();
  const toast = useToast();

  return (media) => {
    const undoing = new AbortController();
    hide(client, media.id);

    async function carryOut(): Promise<void> {
      undoing.abort();
      try {
        await deleteMedia(media.id);
        client.removeQueries({ queryKey: ['media', media.id] });
      } catch (error) {
        toast({ text: sentence(error), tone: 'bad' });
        await bringBack(client, media.id);
      }
    }

    function undo(): void {
      undoing.abort();
      clearTimeout(timer);
      void bringBack(client, media.id);
    }

    const timer = setTimeout(() => void carryOut(), SECONDS_TO_UNDO * 1000);
    window.addEventListener('pagehide', () => void carryOut(), { signal: undoing.signal });
    toast({
      text: `“${media.title}” is deleted.`,
      action: { label: 'Undo', run: undo },
      lasts: SECONDS_TO_UNDO * 1000,
    });
  };
}
