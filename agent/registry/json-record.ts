/** JSON objects as foreign servers send them, read without trust. */

export type JsonRecord = Readonly<Record<string, unknown>>;

/** Undefined for what is no JSON object. */
export function parseRecord(bytes: Buffer): JsonRecord | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
