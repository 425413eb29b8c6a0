import { type ReactNode, useCallback, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { Icon } from './icons';
import { type Toast, ToastContext, ToastHost } from './toasts';

type Shown = Toast & { key: number };

/** Holds the toasts and reads them aloud as they come. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<Shown[]>([]);
  const [host, setHost] = useState<HTMLElement | null>(null);
  const serial = useRef(0);

  const dismiss = useCallback((key: number) => setShown((all) => all.filter((toast) => toast.key !== key)), []);

  const tell = useCallback(
    (toast: Toast) => {
      serial.current += 1;
      const key = serial.current;
      setShown((all) => [...all.slice(-3), { ...toast, key }]);
      setTimeout(() => dismiss(key), toast.lasts ?? (toast.tone === 'bad' ? 9000 : 4500));
    },
    [dismiss],
  );

  const toasts = (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <ToastCard key={toast.key} toast={toast} onDismiss={() => dismiss(toast.key)} />
      ))}
    </div>
  );

  return (
    <ToastContext value={tell}>
      <ToastHost value={setHost}>{children}</ToastHost>
      {createPortal(toasts, host ?? document.body)}
    </ToastContext>
  );
}

function ToastCard({ toast, onDismiss }: { toast: Shown; onDismiss: () => void }) {
  const { text, tone = 'plain', action } = toast;
  return (
    <div className={`toast toast-${tone}`}>
      {tone !== 'plain' && <Icon name={tone === 'good' ? 'check' : 'alert'} />}
      <span className="toast-text">{text}</span>
      {action && (
        <button
          type="button"
          className="button button-quiet button-small"
          onClick={() => {
            action.run();
            onDismiss();
          }}
        >
          {action.label}
        </button>
      )}
      <button type="button" className="icon-button" aria-label="Dismiss" onClick={onDismiss}>
        <Icon name="close" size={16} />
      </button>
    </div>
  );
}
