const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** A size in decimal units, as file managers and vendors count: `814 bytes`, `12.4 MB`, `3.1 GB`. */
export function bytes(count: number): string {
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}
