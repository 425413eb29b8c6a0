interface ProgressProps {
  /** 0 to 1; null where there is no telling. */
  value: number | null;
  label: string;
  tone?: 'accent' | 'warm';
}

/** A bar of what was done. */
export function Progress({ value, label, tone = 'accent' }: ProgressProps) {
  const percent = value === null ? null : Math.round(value * 1000) / 10;
  return (
    <div
      className={`progress progress-${tone}${percent === null ? ' progress-unknown' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent === null ? {} : { 'aria-valuenow': Math.round(percent) })}
    >
      <span style={percent === null ? {} : { width: `${percent}%` }} />
    </div>
  );
}
