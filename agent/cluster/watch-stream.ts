/** One watch request, on client-node's `Watch`. */

import { Watch } from '@kubernetes/client-node/dist/watch.js';
import type { RequestContext } from '@kubernetes/client-node/dist/gen/http/http.js';
import { errorMessage, type Failure } from '../core/failure.ts';
import type { OpenAccess } from './access.ts';
import { readNumber, readRecord, readString } from './fields.ts';
import { toStatusFailure } from './status-failure.ts';

export interface WatchRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Nothing for this long, not even a bookmark: the watch is dead. */
  readonly silentMs: number;
  /** The server has accepted it. */
  readonly onOpen: () => void;
  /** `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`. What it throws ends the watch and is thrown on. */
  readonly onEvent: (type: string, object: unknown) => void;
}

export type WatchEnd =
  | { readonly kind: 'aborted' }
  /** The server ended it in order. */
  | { readonly kind: 'ended' }
  /** Its resourceVersion is too old: only a new list helps. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'silent' }
  /** `status`: of an answer that was no watch; undefined: the connection broke, or never stood. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly status: number | undefined };

const gone = 410;

/** Resolves when it is over, whatever the server did; rejects only with what `onEvent` or `onOpen` throws. */
export async function runWatch(open: OpenAccess, request: WatchRequest, signal: AbortSignal): Promise<WatchEnd> {
  if (signal.aborted) return { kind: 'aborted' };
  const { promise: over, resolve, reject } = Promise.withResolvers<WatchEnd>();
  let isOver = false;
  const finish = (end: WatchEnd): void => {
    isOver = true;
    resolve(end);
  };
  const crash = (error: unknown): void => {
    isOver = true;
    reject(error);
  };
  const onLine = (type: string, object: unknown): void => {
    if (isOver) return;
    // Watch swallows what its callback throws.
    try {
      if (type === 'ERROR') finish(toErrorEnd(object));
      else request.onEvent(type, object);
    } catch (error) {
      crash(error);
    }
  };
  const onDone = (error: unknown): void => {
    if (!isOver) finish(toEnd(error, open));
  };
  const onAbort = (): void => finish({ kind: 'aborted' });
  signal.addEventListener('abort', onAbort, { once: true });

  // It cannot be aborted before the server has answered; the connection's own time-outs end that wait.
  const controller = createWatch(open, request.silentMs).watch(request.path, request.query, onLine, onDone);
  void controller
    .then(() => {
      if (!isOver) request.onOpen();
    })
    .catch(crash);
  try {
    return await over;
  } finally {
    signal.removeEventListener('abort', onAbort);
    void controller.then((request) => request.abort()).catch(() => undefined);
  }
}

function createWatch({ server, headers, connection }: OpenAccess, silentMs: number): Watch {
  const config = {
    getCurrentCluster: () => ({ server }),
    applySecurityAuthentication(context: RequestContext): Promise<void> {
      for (const [name, value] of Object.entries({ ...headers, 'user-agent': 'stevedore' })) {
        context.setHeaderParam(name, value);
      }
      context.setDispatcher(connection.dispatcher);
      return Promise.resolve();
    },
  };
  // These two methods are all that it calls of a KubeConfig, which itself costs 45 MiB resident.
  const watch = new Watch(config as unknown as ConstructorParameters<typeof Watch>[0]);
  // Its time without a byte, which it resets with each; 30 s by default, shorter than the minute between two bookmarks.
  Reflect.set(watch, 'requestTimeoutMs', silentMs);
  return watch;
}

/** `ERROR` is a line inside an answer of 200, with a Status as its object. */
function toErrorEnd(object: unknown): WatchEnd {
  const { code, message } = readRecord(object);
  const status = readNumber(code) ?? 500;
  if (status === gone) return { kind: 'expired' };
  return { kind: 'failed', failure: toStatusFailure(status, readString(message) ?? ''), status };
}

function toEnd(error: unknown, open: OpenAccess): WatchEnd {
  if (error === null || error === undefined) return { kind: 'ended' };
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error.statusCode === gone) return { kind: 'expired' };
    return {
      kind: 'failed',
      failure: toStatusFailure(error.statusCode, errorMessage(error)),
      status: error.statusCode,
    };
  }
  if (error instanceof Error && error.name === 'TimeoutError') return { kind: 'silent' };
  return { kind: 'failed', failure: open.connection.toFailure(error), status: undefined };
}
