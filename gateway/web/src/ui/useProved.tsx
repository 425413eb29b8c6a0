import { type ReactNode, type SyntheticEvent, useState } from 'react';
import { prove } from '../api/endpoints';
import { Problem, sentence } from '../api/http';
import { Dialog } from './Dialog';
import { Icon } from './icons';
import { useAction } from './useAction';
import { useToast } from './toasts';

interface Asked<Input> {
  input: Input;
}

/** Something that locks hang on: where the sign-in is some time ago, the password is asked for again, and then it goes on. */
export function useProved<Input, Result>(action: (input: Input) => Promise<Result>, then?: (result: Result) => void) {
  const toast = useToast();
  const [asked, setAsked] = useState<Asked<Input> | null>(null);
  const [pending, setPending] = useState(false);

  function run(input: Input): void {
    setPending(true);
    action(input)
      .then((result) => then?.(result))
      .catch((error: unknown) => {
        if (error instanceof Problem && error.code === 'reauthentication_needed') setAsked({ input });
        else toast({ text: sentence(error), tone: 'bad' });
      })
      .finally(() => setPending(false));
  }

  const dialog: ReactNode = asked && (
    <ProofDialog
      onClose={() => setAsked(null)}
      onProved={() => {
        setAsked(null);
        run(asked.input);
      }}
    />
  );
  return { run, pending, dialog };
}

function ProofDialog({ onClose, onProved }: { onClose: () => void; onProved: () => void }) {
  const [password, setPassword] = useState('');
  const confirm = useAction(() => prove(password), onProved);

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    confirm.run(undefined);
  }

  return (
    <Dialog title="Is it you?" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <p>You signed in some time ago. Enter your password again before this is changed.</p>
        <label className="field">
          <span>Password</span>
          <input
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </label>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button button-primary" disabled={confirm.pending}>
            <Icon name="check" size={16} /> Go on
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
