/** The address of `rel="next"` in `Link` headers (RFC 8288), as it is written; undefined: there is none. */
export function parseNextLink(headers: readonly string[]): string | undefined {
  for (const header of headers) {
    for (const [, target = '', parameters = ''] of header.matchAll(/<([^>]*)>((?:[^,"]|"[^"]*")*)/g)) {
      const relations = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters);
      if ((relations?.[1] ?? relations?.[2] ?? '').toLowerCase().split(/\s+/).includes('next')) return target;
    }
  }
  return undefined;
}
