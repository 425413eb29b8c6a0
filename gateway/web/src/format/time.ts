/** Media times and stamps in words. Pure. */

/** A position or length: `0:07`, `12:05`, `1:02:09`. With `tenths`, `0:07.4`. */
export function clock(seconds: number, tenths = false): string {
  const unit = tenths ? 10 : 1;
  const whole = Math.max(0, Math.floor(seconds * unit + 1e-6));
  const total = Math.floor(whole / unit);
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const tail = `${String(rest).padStart(2, '0')}${tenths ? `.${whole % 10}` : ''}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** A length read aloud: `45 s`, `3 min 20 s`, `1 h 5 min`. */
export function length(seconds: number): string {
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total} s`;
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** An estimate, rounded as far as it can be trusted: `a few seconds left`, `about 40 s left`, `about 3 min left`. */
export function remaining(seconds: number): string {
  if (seconds < 5) return 'a few seconds left';
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  if (seconds < 3570) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${length(Math.round(seconds / 600) * 600)} left`;
}

/** Parse what a person types as a position: `75`, `1:15`, `1:15.5`, `1:02:09`. Null where it is none. */
export function parseClock(text: string): number | null {
  const match = /^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$/.exec(text.trim());
  if (!match) return null;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  const inside = match[2] === undefined || Number(seconds) < 60;
  return inside ? Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) : null;
}

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
];

/** When something was, seen from `now`: `just now`, `5 minutes ago`, `yesterday`, then the date. */
export function ago(stamp: string, now: number = Date.now()): string {
  const past = (now - Date.parse(stamp)) / 1000;
  if (past < 45) return 'just now';
  if (past >= 7 * 86_400) return date(stamp);
  const [unit, size] = STEPS.findLast(([, least]) => past >= least) ?? ['minute', 60];
  return RELATIVE.format(-Math.max(1, Math.floor(past / size)), unit);
}

/** A date in the reader's own form. */
export function date(stamp: string): string {
  return new Date(stamp).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** When something will be, seen from `now`: `in 20 minutes`, `tomorrow`, `in 3 days`, then `on` its date. */
export function ahead(stamp: string, now: number = Date.now()): string {
  const left = (Date.parse(stamp) - now) / 1000;
  if (left <= 0) return 'now';
  const [minutes, hours, days] = [Math.ceil(left / 60), Math.round(left / 3600), Math.round(left / 86_400)];
  if (minutes < 60) return RELATIVE.format(minutes, 'minute');
  if (hours < 24) return RELATIVE.format(hours, 'hour');
  return days > 60 ? `on ${date(stamp)}` : RELATIVE.format(days, 'day');
}

/** Whether something is less than a day ahead. */
export function isSoon(stamp: string, now: number = Date.now()): boolean {
  return Date.parse(stamp) - now < 86_400_000;
}

/** A day as a date field has it, where the reader is: `2026-05-03`. */
export function isoDay(day: Date): string {
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}

/** The stamp of the first moment of such a day, where the reader is. */
export function startOfDay(day: string): string {
  return new Date(`${day}T00:00:00`).toISOString();
}

/** The stamp of the last moment of such a day, where the reader is. */
export function endOfDay(day: string): string {
  return new Date(`${day}T23:59:59`).toISOString();
}
