import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { cancelImport, importUrl } from '../api/endpoints';
import { sentence } from '../api/http';
import { useUser } from '../session';
import { useToast } from '../ui/toasts';
import { useUploadQueue, useWishes } from './uploadContext';

/** How new recordings are handed in; the wishes of the moment go with them. */
export function useIntake() {
  const user = useUser();
  const queue = useUploadQueue();
  const client = useQueryClient();
  const toast = useToast();
  const navigate = useNavigate();
  const [wishes] = useWishes();

  function addFiles(files: Iterable<File>): void {
    for (const file of files) queue.add(file, user.id, wishes);
    void navigate('/');
  }

  async function addUrl(url: string): Promise<boolean> {
    try {
      const { id } = await importUrl(url, wishes);
      void client.invalidateQueries({ queryKey: ['library'] });
      toast({
        text: 'The import has begun.',
        tone: 'good',
        action: { label: 'Cancel', run: () => void undo(id) },
      });
      return true;
    } catch (error) {
      toast({ text: sentence(error), tone: 'bad' });
      return false;
    }
  }

  async function undo(id: string): Promise<void> {
    try {
      await cancelImport(id);
      await client.invalidateQueries({ queryKey: ['library'] });
    } catch (error) {
      toast({ text: sentence(error), tone: 'bad' });
    }
  }

  return { addFiles, addUrl };
}

/** The address in a pasted text, if that is all it holds. */
export function addressIn(text: string): string | null {
  const trimmed = text.trim();
  return /^https?:\/\/\S+$/i.test(trimmed) && URL.canParse(trimmed) ? trimmed : null;
}
