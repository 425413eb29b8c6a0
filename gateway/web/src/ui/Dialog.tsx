import { type ReactNode, useContext, useEffect, useId, useRef } from 'react';
import { Icon } from './icons';
import { ToastHost } from './toasts';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** A modal dialog: the browser keeps the focus inside, closes it on Escape and gives the focus back. */
export function Dialog({ title, onClose, children, wide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const hostToasts = useContext(ToastHost);

  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    hostToasts(dialog);
    return () => {
      hostToasts(null);
      dialog?.close();
    };
  }, [hostToasts]);

  useEffect(() => {
    const dialog = element.current;
    const closeOutside = (event: MouseEvent) => {
      if (event.target === dialog) onClose();
    };
    const cancel = (event: Event) => {
      event.preventDefault();
      onClose();
    };
    dialog?.addEventListener('mousedown', closeOutside);
    dialog?.addEventListener('cancel', cancel);
    return () => {
      dialog?.removeEventListener('mousedown', closeOutside);
      dialog?.removeEventListener('cancel', cancel);
    };
  }, [onClose]);

  return (
    <dialog ref={element} className={wide ? 'dialog dialog-wide' : 'dialog'} aria-labelledby={titleId}>
      <header className="dialog-head">
        <h2 id={titleId}>{title}</h2>
        <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
