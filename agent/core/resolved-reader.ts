import { joinResolved, type ParsedResolved, parseResolvedText, resolvedKey } from './resolved-document.ts';

/** A ConfigMap, as far as it is looked at. */
export interface PublishedText {
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
}

interface Read {
  readonly text: string | undefined;
  readonly parsed: ParsedResolved;
}

/** Reads what is published again and again, and each ConfigMap only where it changed: while images get warm one of the eight does every few seconds. */
export class ResolvedReader {
  #known: ReadonlyMap<string, Read> = new Map();
  #joined: ParsedResolved = joinResolved([]);

  /** All together, as `joinResolved`; the very same object as long as nothing changes. Never throws. */
  read(published: readonly PublishedText[]): ParsedResolved {
    const before = [...this.#known.values()];
    this.#known = new Map(published.map(({ name, data }) => [name, this.#readOne(name, data[resolvedKey])]));
    const now = [...this.#known.values()];
    const isSame = now.length === before.length && now.every((one, index) => one === before[index]);
    if (!isSame) this.#joined = joinResolved(now.map(({ parsed }) => parsed));
    return this.#joined;
  }

  #readOne(name: string, text: string | undefined): Read {
    const known = this.#known.get(name);
    return known !== undefined && known.text === text ? known : { text, parsed: parseResolvedText(text) };
  }
}
