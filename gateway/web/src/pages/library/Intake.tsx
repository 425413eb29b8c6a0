import { type SyntheticEvent, useRef, useState } from 'react';
import { Icon } from '../../ui/icons';
import { addressIn, useIntake } from '../../uploads/useIntake';
import { WishesForm } from './WishesForm';

/** Where recordings come in: drop, choose, or paste an address. */
export function Intake({ compact }: { compact: boolean }) {
  const { addFiles } = useIntake();
  const picker = useRef<HTMLInputElement>(null);

  return (
    <section className={compact ? 'intake intake-compact' : 'intake'} aria-label="Hand in a recording">
      <div className="intake-drop">
        <span className="intake-mark">
          <Icon name="upload" size={compact ? 24 : 32} />
        </span>
        <div className="intake-words">
          <h2>Drop a recording anywhere</h2>
          <p>Video or sound of any length. An upload that breaks off goes on where it stopped.</p>
        </div>
        <button type="button" className="button button-primary" onClick={() => picker.current?.click()}>
          Choose files
        </button>
        <input
          ref={picker}
          className="visually-hidden"
          type="file"
          multiple
          accept="video/*,audio/*,.mkv,.flac,.opus,.ogg,.m4a"
          aria-label="Choose recordings"
          tabIndex={-1}
          data-testid="file-input"
          onChange={(event) => {
            addFiles(event.target.files ?? []);
            event.target.value = '';
          }}
        />
      </div>
      <UrlForm />
      <details className="intake-options">
        <summary>
          <Icon name="settings" size={16} /> Options
        </summary>
        <WishesForm />
      </details>
    </section>
  );
}

function UrlForm() {
  const { addUrl } = useIntake();
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const [busy, setBusy] = useState(false);

  async function take(): Promise<void> {
    const address = addressIn(text);
    setWrong(address === null);
    if (address === null) return;
    setBusy(true);
    if (await addUrl(address)) setText('');
    setBusy(false);
  }

  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    void take();
  }

  return (
    <form className="intake-url" onSubmit={submit} noValidate>
      <label className="search">
        <Icon name="link" size={16} />
        <input
          type="url"
          inputMode="url"
          aria-label="Address of a recording"
          placeholder="…or paste the address of a video or podcast"
          value={text}
          aria-invalid={wrong}
          onChange={(event) => {
            setText(event.target.value);
            setWrong(false);
          }}
        />
      </label>
      <button type="submit" className="button" disabled={busy || text.trim() === ''}>
        {busy ? 'Asking…' : 'Import'}
      </button>
      {wrong && (
        <p className="form-problem" role="alert">
          That is no address. It should begin with https:// or http://.
        </p>
      )}
    </form>
  );
}
