const ellipsis = '…';

/** At most `maxBytes` (3 or more) of UTF-8; what is longer ends with `…`, and no character is cut in two. */
export function toShortText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const room = new Uint8Array(maxBytes - Buffer.byteLength(ellipsis));
  return text.slice(0, new TextEncoder().encodeInto(text, room).read) + ellipsis;
}
