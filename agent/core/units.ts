/** Durations, sizes and percentages as users write them. */

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const unitBytes: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/** `90s`, `30m`, `10h`, `7d`, or several added up as in Go: `1h30m`. Milliseconds; undefined where it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?[smhd])+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)) {
    totalMs += Number(amount) * (unitMs[unit ?? ''] ?? Number.NaN);
  }
  const rounded = Math.round(totalMs);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** The shortest way to write a duration so that `parseDuration` reads it back: `1h30m`. */
export function formatDuration(durationMs: number): string {
  let restMs = Math.round(durationMs);
  let text = '';
  for (const unit of ['d', 'h', 'm'] as const) {
    const size = unitMs[unit] ?? 1;
    const count = Math.floor(restMs / size);
    if (count > 0) text += `${count}${unit}`;
    restMs -= count * size;
  }
  return restMs > 0 || text === '' ? `${text}${restMs / 1000}s` : text;
}

/** `60Gi` (Ki to Ti, powers of 1024), `60G` (k to T, powers of 1000) or plain bytes; undefined where it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?$/.exec(text);
  if (match === null) return undefined;
  const [, amount, unit] = match;
  if (unit === undefined && amount?.includes('.')) return undefined;
  const bytes = Math.round(Number(amount) * (unit === undefined ? 1 : (unitBytes[unit] ?? Number.NaN)));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest way to write a size with a unit so that `parseSize` reads it back: `60Gi`, `1.5k`. */
export function formatSize(sizeBytes: number): string {
  const texts = Object.entries(unitBytes)
    // 1.3Gi is no whole number of bytes, so the number of them is not quite 1.3Gi.
    .flatMap(([unit, bytes]) => [`${sizeBytes / bytes}${unit}`, `${Number((sizeBytes / bytes).toFixed(2))}${unit}`])
    .filter((text) => parseSize(text) === sizeBytes);
  return texts.reduce((shortest, text) => (text.length < shortest.length ? text : shortest));
}

/** `75%` or `72.5%` as a ratio, 0 to 1; undefined where it is no percentage or more than the whole. */
export function parsePercentage(text: string): number | undefined {
  const match = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text);
  const ratio = match === null ? Number.NaN : Number(match[1]) / 100;
  return ratio <= 1 ? ratio : undefined;
}

/** With at most two decimals, so that 0.575 is `57.5%` whatever floating point makes of it. */
export function formatPercentage(ratio: number): string {
  return `${Math.round(ratio * 10_000) / 100}%`;
}
