import { useQueryClient } from '@tanstack/react-query';
import { changeTranscript, stepTranscript } from '../../api/endpoints';
import { Problem } from '../../api/http';
import type { Transcript, TranscriptChange } from '../../api/types';
import { useAction } from '../../ui/useAction';

export type Step = 'undo' | 'redo';

export interface Changes {
  /** Make changes one after the other; each sees what the one before it made. Resolves to whether all were made. */
  make: (...changes: TranscriptChange[]) => Promise<boolean>;
  step: (step: Step) => void;
  pending: boolean;
}

/** What its owner does to a transcript. If somebody else was faster, theirs is shown and the change is refused. */
export function useTranscriptChanges(transcript: Transcript): Changes {
  const client = useQueryClient();
  const key = ['transcript', transcript.media_id];

  async function guarded(change: () => Promise<Transcript>): Promise<Transcript> {
    try {
      const changed = await change();
      client.setQueryData(key, changed);
      return changed;
    } catch (error) {
      if (error instanceof Problem && error.status === 412) await client.invalidateQueries({ queryKey: key });
      throw error;
    }
  }

  const id = transcript.media_id;
  const { run, pending } = useAction(async (action: () => Promise<void>) => action());
  const attempt = (action: () => Promise<void>) =>
    new Promise<boolean>((resolve) => {
      run(action, { onSuccess: () => resolve(true), onError: () => resolve(false) });
    });

  return {
    make: (...changes) =>
      attempt(async () => {
        let { tag } = transcript;
        for (const change of changes) tag = (await guarded(() => changeTranscript(id, tag, change))).tag;
      }),
    step: (step) => {
      void attempt(async () => {
        await guarded(() => stepTranscript(id, transcript.tag, step));
      });
    },
    pending,
  };
}
