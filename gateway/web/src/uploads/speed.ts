/** Speed and estimate of an upload from what has been sent so far. Pure. */

export interface Sample {
  at: number; // milliseconds
  sent: number; // bytes
}

const WINDOW = 8000; // milliseconds: long enough to be calm, short enough to notice a change of network

/** Add a sample and drop those that have left the window. One older sample is kept, so that a slow sender has a speed too. */
export function sampled(samples: readonly Sample[], next: Sample): Sample[] {
  const kept = samples.filter((sample) => next.at - sample.at <= WINDOW);
  const older = kept.length === samples.length ? undefined : samples[samples.length - kept.length - 1];
  return older && kept.length === 0 ? [older, next] : [...kept, next];
}

/** Bytes per second over the window; null before there are two samples apart. */
export function speed(samples: readonly Sample[]): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at - first.at < 500) return null;
  return (last.sent - first.sent) / ((last.at - first.at) / 1000);
}

/** Seconds until all is sent; null where the speed isn't known or is nothing. */
export function estimate(samples: readonly Sample[], size: number): number | null {
  const rate = speed(samples);
  const last = samples.at(-1);
  return rate && last ? (size - last.sent) / rate : null;
}
