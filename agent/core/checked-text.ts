/** State files as text: one versioned JSON object with a checksum. Pure; work/state-file.ts keeps them on disk. */

import { createHash } from 'node:crypto';

export type Fields = Readonly<Record<string, unknown>>;

export interface CheckedFormat {
  /** Tells one kind of file from another: `stevedore-ledger`. */
  readonly format: string;
  /** A newer minor version only adds keys and is read; another major one is foreign. */
  readonly version: string;
  /** For messages: `a usage ledger of Stevedore`. */
  readonly what: string;
}

export function toCheckedText({ format, version }: CheckedFormat, content: Fields): string {
  return `${JSON.stringify({ format, version, checksum: toChecksum(content), ...content }, null, 1)}\n`;
}

/** The content of a whole file of this format. @throws Error that says what is wrong with it */
export function parseCheckedText({ format, version, what }: CheckedFormat, text: string): Fields {
  const {
    format: writtenFormat,
    version: writtenVersion,
    checksum,
    ...content
  } = toFields(JSON.parse(text), 'the file');
  if (writtenFormat !== format) throw new Error(`it is not ${what}`);
  const [major] = version.split('.');
  const written = String(writtenVersion);
  if (!/^\d+\.\d+$/.test(written) || written.split('.')[0] !== major) {
    throw new Error(`its version ${written.slice(0, 20)} is not ${major}.x`);
  }
  if (checksum !== toChecksum(content)) throw new Error('its checksum does not fit its content');
  return content;
}

/** A flipped bit in a number is still a number, and could make every image old. */
function toChecksum(content: unknown): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(content)).digest('hex')}`;
}

/** @throws Error */
export function toFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not a map`);
  return value as Fields;
}

/** @throws Error */
export function toList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not a list`);
  return value as readonly unknown[];
}

/** @throws Error */
export function toText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is not a text`);
  return value;
}

/** Not below 0, and small enough to be exact. @throws Error */
export function toNumber(value: unknown, what: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= Number.MAX_SAFE_INTEGER))
    throw new Error(`${what} is not a number`);
  return value;
}

/** Epoch ms. @throws Error */
export function toTime(value: unknown, what: string): number {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw new Error(`${what} is not a time`);
  return at;
}

export function toTimestamp(at: number): string {
  return new Date(at).toISOString();
}
