/** Reads fields of what the API server sent: what is not of the type that it should be counts as not there. */

export type Fields = Readonly<Record<string, unknown>>;

export function readRecord(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function readList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function readString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function readNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** RFC 3339, with or without fractions of a second, as epoch ms. */
export function readTime(value: unknown): number | undefined {
  const at = Date.parse(readString(value) ?? '');
  return Number.isNaN(at) ? undefined : at;
}

export function readStrings(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(readRecord(value));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
