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
      {open && (
        // What is inside has its own keys and clicks; each of them closes the panel on its way up.
        // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
        <div className="menu-panel" onClick={() => setOpen(false)}>
          {children}
        </div>
      )}
    </div>
  );
}
