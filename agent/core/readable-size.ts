const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** For people: `512 B`, `4.2 GiB`, `118 MiB`. */
export function toReadableSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  // 1023.5 would already be shown as 1024.
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
