/** What a service tells of itself, in words. Services add facts as they grow: unknown ones are shown by their own names. Pure. */
import { bytes } from './bytes';
import { length } from './time';

export interface ServiceReport {
  status: 'ok' | 'down';
  [fact: string]: unknown;
}

export interface SystemReport {
  version: string;
  services: Record<string, ServiceReport>;
}

export interface Fact {
  name: string;
  value: string;
  tone: 'good' | 'warm' | '';
}

const NAMES: Record<string, string> = {
  finder: 'Chosen by',
  ollama: 'Ollama',
  ffmpeg: 'FFmpeg',
  max_upload_size: 'Largest upload',
  max_import_size: 'Largest import',
  max_duration: 'Longest recording',
  free_bytes: 'Free disk space',
  upload_lifetime: 'An unfinished upload is kept for',
  share_lifetime: 'A share link lasts',
  grant_lifetime: 'A player’s address lasts',
};

const SECONDS = /(_lifetime|_duration|_seconds)$/;
const BYTES = /(_size|_bytes)$/;
const NOT_ROWS = new Set(['status', 'version', 'reason', 'improve']);

/** The facts of a service as rows, with the reason for its choices and what would improve them apart. */
export function facts(report: ServiceReport): { rows: Fact[]; reason: string; improve: string[] } {
  const rows = Object.entries(report)
    .filter(([key]) => !NOT_ROWS.has(key))
    .flatMap(([key, value]) => fact(key, value));
  return { rows, reason: typeof report.reason === 'string' ? report.reason : '', improve: lines(report.improve) };
}

function fact(key: string, value: unknown): Fact[] {
  const shown = words(key, value);
  if (!shown) return [];
  const tone = value === 'draft' ? 'warm' : '';
  return [{ name: NAMES[key] ?? sentenceCase(key), value: shown, tone }];
}

function words(key: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return quantity(key, value);
  if (Array.isArray(value)) return value.map((one) => words(key, one)).filter(Boolean).join(', ');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, one]) => [sentenceCase(name), words(name, one)])
      .filter(([, one]) => one)
      .map((pair) => pair.join(': '))
      .join(' · ');
  }
  return typeof value === 'string' ? value : '';
}

function quantity(key: string, value: number): string {
  if (BYTES.test(key)) return bytes(value);
  if (SECONDS.test(key)) return value >= 2 * 86_400 ? `${Math.round(value / 86_400)} days` : length(value);
  return value.toLocaleString();
}

function lines(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.filter((line) => typeof line === 'string' && line !== '') as string[];
}

function sentenceCase(key: string): string {
  const text = key.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
