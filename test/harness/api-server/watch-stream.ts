/** One open watch: lines of JSON until its time is up, the client leaves or a test ends it. */

import type { Answer } from './answer.ts';
import type { Resource } from './resources.ts';
import { parseSelection } from './selectors.ts';
import { ApiError, badRequest, expired, internalError } from './status.ts';
import { type Store, toLine } from './store.ts';

export interface WatchOptions {
  readonly bookmarkIntervalMs: number;
  /** Whether `sendInitialEvents` is known. */
  readonly watchList: boolean;
  /** Says nothing at all for ever. */
  readonly silent: boolean;
}

/** A watch tells its revision this long before its time is up. */
const lastBookmarkMs = 2_000;

export class WatchStream {
  readonly resource: Resource;
  /** Of the one object that it selects by name. */
  readonly name: string | undefined;
  readonly #store: Store;
  readonly #answer: Answer;
  readonly #from: number;
  readonly #timers: NodeJS.Timeout[] = [];
  #stop: () => void = () => undefined;
  #silent: boolean;

  /** @throws ApiError when it is refused; nothing has been sent then */
  constructor(
    store: Store,
    resource: Resource,
    namespace: string | undefined,
    query: URLSearchParams,
    answer: Answer,
    options: WatchOptions,
  ) {
    this.resource = resource;
    this.#store = store;
    this.#answer = answer;
    this.#silent = options.silent;
    const selection = parseSelection(resource, namespace, query);
    this.name = selection.name;
    const sendsInitial = readInitialEvents(query, options.watchList);
    const asked = readRevision(query);
    const lifeSeconds = readLifeSeconds(query);
    const isAtNow = asked === 0 || sendsInitial;
    this.#from = isAtNow ? store.revision : asked;
    answer.begin(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    if (!isAtNow && asked < store.oldest) {
      const { status } = expired(`too old resource version: ${asked} (${store.oldest})`);
      this.#write(toLine('ERROR', status));
      this.end();
      return;
    }
    if (isAtNow && query.get('sendInitialEvents') !== 'false') {
      for (const object of store.list(resource.plural, selection)) this.#write(toLine('ADDED', object));
    }
    if (sendsInitial) this.#writeBookmark({ 'k8s.io/initial-events-end': 'true' });
    this.#stop = store.watch(resource.plural, { selection, onLine: (line) => this.#write(line) }, this.#from);
    answer.onClose(() => this.#clear());
    this.#setTimers(query, lifeSeconds, options.bookmarkIntervalMs);
  }

  /** Cleanly, as when its time is up. */
  end(): void {
    this.#clear();
    this.#answer.end();
  }

  /** It stays open and says nothing more. */
  silence(): void {
    this.#silent = true;
    this.#clear();
  }

  #setTimers(query: URLSearchParams, asked: number, bookmarkIntervalMs: number): void {
    const lifeMs = 1_000 * (asked > 0 ? asked : 1_800 * (1 + Math.random()));
    this.#timers.push(setTimeout(() => (this.#silent ? undefined : this.end()), lifeMs));
    if (query.get('allowWatchBookmarks') !== 'true') return;
    this.#timers.push(setInterval(() => this.#writeBookmark(), bookmarkIntervalMs));
    if (lifeMs > lastBookmarkMs) {
      this.#timers.push(setTimeout(() => this.#writeBookmark(), lifeMs - lastBookmarkMs));
    }
  }

  #writeBookmark(annotations?: Record<string, string>): void {
    // A watch from a revision of the future hears nothing, bookmarks included.
    if (this.#store.revision < this.#from) return;
    const { kind, apiVersion } = this.resource;
    const metadata = {
      resourceVersion: String(this.#store.revision),
      ...(annotations === undefined ? {} : { annotations }),
    };
    this.#write(toLine('BOOKMARK', { kind, apiVersion, metadata }));
  }

  #write(line: string): void {
    if (!this.#silent) this.#answer.write(line);
  }

  #clear(): void {
    this.#stop();
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
  }
}

/** `0` for none; `undefined` for what is no number. */
export function parseRevision(text: string | null): number | undefined {
  if (text === null || text === '') return 0;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function readLifeSeconds(query: URLSearchParams): number {
  const text = query.get('timeoutSeconds') ?? '0';
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax`);
  return Number(text);
}

function readRevision(query: URLSearchParams): number {
  const text = query.get('resourceVersion');
  const revision = parseRevision(text);
  // A list answers 400 to the same.
  if (revision === undefined) throw internalError(`resourceVersion: Invalid value: ${JSON.stringify(text)}`);
  return revision;
}

function readInitialEvents(query: URLSearchParams, watchList: boolean): boolean {
  const asked = query.get('sendInitialEvents');
  const isFresh = (query.get('resourceVersion') ?? '') === '' && query.get('allowWatchBookmarks') === 'true';
  // A server that knows the option takes it as asked for by such a watch.
  if (asked === null) return watchList && isFresh;
  const refuse = (message: string): ApiError =>
    new ApiError(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${message}`, {
      group: 'meta.k8s.io',
      kind: 'ListOptions',
    });
  if (!watchList) {
    const rule = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
    throw refuse(`sendInitialEvents: Forbidden: ${rule}`);
  }
  if (query.get('resourceVersionMatch') !== 'NotOlderThan') {
    throw refuse(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
  return asked === 'true';
}
