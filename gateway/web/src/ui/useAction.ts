import { useMutation } from '@tanstack/react-query';
import { sentence } from '../api/http';
import { useToast } from './toasts';

/** Something a person asks for: its refusal is told in a toast, and `pending` keeps it from being asked twice. */
export function useAction<Input, Result>(action: (input: Input) => Promise<Result>, then?: (result: Result) => void) {
  const toast = useToast();
  const { mutate, isPending } = useMutation({
    mutationFn: action,
    onSuccess: (result) => then?.(result),
    onError: (error) => toast({ text: sentence(error), tone: 'bad' }),
  });
  return { run: mutate, pending: isPending };
}
