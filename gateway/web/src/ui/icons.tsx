/** The icons: 24-unit strokes in the colour of the text around them, never read aloud. */
const PATHS = {
  alert: 'M12 8.5v4.5M12 16.5h.01M10.3 4.2 2.6 17.5A2 2 0 0 0 4.3 20.5h15.4a2 2 0 0 0 1.7-3L13.7 4.2a2 2 0 0 0-3.4 0z',
  back: 'M15 5l-7 7 7 7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  chevron: 'M6 9l6 6 6-6',
  clip: 'M7 4v3M7 17v3M17 4v3M17 17v3M4 7h16v10H4zM10.5 10l3.5 2-3.5 2z',
  clock: 'M12 7.5V12l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  download: 'M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M4.5 19.5h15',
  edit: 'M4 20l1-4.5L16.5 4l3.5 3.5L8.5 19zM14 6.5L17.5 10',
  grid: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
  heart: 'M12 20s-7.5-4.6-7.5-10A4.3 4.3 0 0 1 12 7.2 4.3 4.3 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z',
  key: 'M14.5 9.5a4.5 4.5 0 1 0-3.8 4.4l1.3 1.3h2v2h2v2h4v-3.5l-5.5-5.5z',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4.2 4.2 0 0 0-6-6l-1.5 1.5M14 10a4 4 0 0 0-6-.4l-3 3a4.2 4.2 0 0 0 6 6l1.5-1.5',
  list: 'M4 6h16M4 12h16M4 18h16',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c.7-3.6 3.7-6 7.5-6s6.8 2.4 7.5 6',
  people: 'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5c.5-3.2 3.2-5.2 6.5-5.2s6 2 6.5 5.2M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.6c1.9.8 3.1 2.5 3.5 4.9',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15l12-7.5z',
  plus: 'M12 5v14M5 12h14',
  retry: 'M4 12a8 8 0 0 1 13.7-5.6L20 8.5M20 4v4.5h-4.5M20 12a8 8 0 0 1-13.7 5.6L4 15.5M4 20v-4.5h4.5',
  search: 'M20 20l-4.5-4.5M17.5 10.5a7 7 0 1 1-14 0 7 7 0 0 1 14 0z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  spark: 'M12 3.5l2 5.8 5.8 2.2-5.8 2.2-2 5.8-2-5.8-5.8-2.2 5.8-2.2z',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4',
  system: 'M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01',
  trash: 'M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5',
  upload: 'M12 16V5m0 0L7.5 9.5M12 5l4.5 4.5M4.5 19.5h15',
  video: 'M3.5 6h12v12h-12zM15.5 10.5l5-3v9l-5-3z',
  wave: 'M4 10v4M8 7v10M12 4v16M16 8v8M20 10.5v3',
} as const;

export type IconName = keyof typeof PATHS;

/** One icon, `size` pixels wide. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark: a house whose window is a play button. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg className="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path
        className="logo-house"
        d="M14.1 3.2a3.2 3.2 0 0 1 3.8 0l9.4 7a3.6 3.6 0 0 1 1.5 2.9V25a4 4 0 0 1-4 4H7.2a4 4 0 0 1-4-4V13.1a3.6 3.6 0 0 1 1.5-2.9z"
      />
      <path
        className="logo-play"
        d="M12.4 13.9c0-1.2 1.3-1.9 2.3-1.3l7 4.3c.9.6.9 1.9 0 2.5l-7 4.3c-1 .6-2.3-.1-2.3-1.3z"
      />
    </svg>
  );
}
