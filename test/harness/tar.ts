/** Just enough of the ustar format (POSIX.1-2017, pax) for sample layers and image archives: same entries, same bytes. */

export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly content: Buffer; readonly mode?: number }
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const blockBytes = 512;
const typeFlags = { file: '0', link: '2', folder: '5' } as const;

/** @throws RangeError for a path or target over 100 bytes */
export function toTar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    parts.push(toHeader(entry));
    if (entry.kind !== 'file') continue;
    parts.push(entry.content, Buffer.alloc(-entry.content.length & (blockBytes - 1)));
  }
  parts.push(Buffer.alloc(2 * blockBytes));
  return Buffer.concat(parts);
}

function toHeader(entry: TarEntry): Buffer {
  const header = Buffer.alloc(blockBytes);
  const text = (value: string, offset: number, lengthBytes: number): void => {
    if (Buffer.byteLength(value) > lengthBytes) throw new RangeError(`too long for a tar header: ${value}`);
    header.write(value, offset);
  };
  const octal = (value: number, offset: number, digits: number): void =>
    text(value.toString(8).padStart(digits, '0'), offset, digits);
  text(entry.kind === 'folder' ? `${entry.path}/` : entry.path, 0, 100);
  octal(entry.kind === 'link' ? 0o777 : (entry.mode ?? 0o755), 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(entry.kind === 'file' ? entry.content.length : 0, 124, 11);
  octal(0, 136, 11);
  header.fill(' ', 148, 156);
  text(typeFlags[entry.kind], 156, 1);
  if (entry.kind === 'link') text(entry.target, 157, 100);
  text('ustar\u000000', 257, 8);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  octal(checksum, 148, 6);
  header[154] = 0;
  return header;
}
