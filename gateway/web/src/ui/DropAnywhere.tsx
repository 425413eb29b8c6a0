import { useEffect, useEffectEvent, useState } from 'react';
import { addressIn, useIntake } from '../uploads/useIntake';
import { Icon } from './icons';

/** Takes files that are dropped, and files and addresses that are pasted, anywhere on the page. */
export function DropAnywhere() {
  const { addFiles, addUrl } = useIntake();
  const [over, setOver] = useState(false);

  const dropped = useEffectEvent((event: DragEvent) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer) addFiles(event.dataTransfer.files);
  });

  const pasted = useEffectEvent((event: ClipboardEvent) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const files = event.clipboardData?.files;
    if (files && files.length > 0) {
      addFiles(files);
      return;
    }
    const address = addressIn(event.clipboardData?.getData('text') ?? '');
    if (address) void addUrl(address);
  });

  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const dragged = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const left = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    document.addEventListener('dragover', dragged, { signal });
    document.addEventListener('dragleave', left, { signal });
    document.addEventListener('drop', (event) => dropped(event), { signal });
    document.addEventListener('paste', (event) => pasted(event), { signal });
    return () => listening.abort();
  }, []);

  if (!over) return null;
  return (
    <div className="drop-overlay" aria-hidden="true">
      <div>
        <Icon name="upload" size={44} />
        <p>Drop to hand it in</p>
      </div>
    </div>
  );
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false;
}
