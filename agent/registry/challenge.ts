/** `WWW-Authenticate` headers (RFC 9110, sections 11.3 and 11.6.1). */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameter = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, 'sy');
const scheme = new RegExp(`(${token})(?=[ \\t,]|$)(?![ \\t]*=[^=])`, 'y');
const token68 = /[ \t]+[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const separator = /[ \t,]*/y;

/** Every challenge of all header lines, in order; what cannot be read is skipped. An empty header is no challenge. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap(parseHeader);
}

function parseHeader(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found !== null) position = pattern.lastIndex;
    return found;
  };
  while (position < header.length) {
    take(separator);
    const pair = take(parameter);
    if (pair !== null) {
      const [, name = '', quoted, plain = ''] = pair;
      const parameters = challenges.at(-1)?.parameters;
      const key = name.toLowerCase();
      if (parameters !== undefined && !parameters.has(key)) {
        parameters.set(key, quoted === undefined ? plain : quoted.replace(/\\(.)/gs, '$1'));
      }
      continue;
    }
    const name = take(scheme);
    if (name !== null) {
      challenges.push({ scheme: (name[1] ?? '').toLowerCase(), parameters: new Map() });
      const before = position;
      if (take(token68) !== null && looksLikeParameter(header, before)) position = before;
      continue;
    }
    position += 1;
  }
  return challenges;
}

/** `Basic realm=x` must not be read as a token68 that ends in `=`. */
function looksLikeParameter(header: string, position: number): boolean {
  parameter.lastIndex = position + (/^[ \t]*/.exec(header.slice(position))?.[0].length ?? 0);
  return parameter.test(header);
}
