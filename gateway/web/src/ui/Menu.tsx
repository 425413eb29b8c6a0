import { type ReactNode, useEffect, useRef, useState } from 'react';

interface MenuProps {
  label: string;
  button: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A button that opens a panel of links and actions. Escape, a click elsewhere, or picking something closes it. */
export function Menu({ label, button, className = 'icon-button', children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return undefined;
    const outside = (event: PointerEvent) => {
      if (!element.current?.contains(event.target as Node)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      opener.current?.focus();
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('keydown', escape);
    };
  }, [open]);

  return (
    <div className="menu" ref={element}>
      <button
        ref={opener}
        type="button"
        className={className}
        aria-label={label}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && <MenuPanel onPicked={() => setOpen(false)}>{children}</MenuPanel>}
    </div>
  );
}

function MenuPanel({ children, onPicked }: { children: ReactNode; onPicked: () => void }) {
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = panel.current;
    element?.addEventListener('click', onPicked);
    return () => element?.removeEventListener('click', onPicked);
  }, [onPicked]);
  return (
    <div className="menu-panel" ref={panel}>
      {children}
    </div>
  );
}
