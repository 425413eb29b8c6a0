import { copy } from './clipboard';
import { Dialog } from './Dialog';
import { Icon } from './icons';
import { useToast } from './toasts';

interface ShownOnceProps {
  title: string;
  words: string;
  /** What it is, for the field and for what is said once it is copied: "key", "link". */
  what: string;
  value: string;
  onClose: () => void;
}

/** A secret that was just made, to be copied: it can't be shown again. */
export function ShownOnce({ title, words, what, value, onClose }: ShownOnceProps) {
  const toast = useToast();

  async function take(): Promise<void> {
    const done = await copy(value);
    toast(done ? { text: `The ${what} is copied.`, tone: 'good' } : { text: `Select the ${what} and copy it.`, tone: 'bad' });
  }

  return (
    <Dialog title={title} onClose={onClose}>
      <p>{words}</p>
      <input readOnly className="link-field" aria-label={what} value={value} onFocus={(event) => event.target.select()} />
      <footer className="dialog-foot">
        <button type="button" className="button" onClick={onClose}>
          Done
        </button>
        <button type="button" className="button button-primary" onClick={() => void take()}>
          <Icon name="copy" size={16} /> Copy
        </button>
      </footer>
    </Dialog>
  );
}
