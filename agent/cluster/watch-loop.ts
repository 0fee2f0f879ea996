/** List once, then watch for as long as the agent runs: resumes where it can, lists again where it must, and waits in between. */

import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import { sleep } from '../core/sleep.ts';
import type { ClusterAccess } from './access.ts';
import { toResourceVersion } from './objects.ts';
import { listPages } from './pages.ts';
import type { RequestObserver, Requests } from './requests.ts';
import { WatchBackoff } from './watch-backoff.ts';
import { runWatch, type WatchEnd } from './watch-stream.ts';

export interface WatchTimings {
  /** The server ends each watch after a random time between these, so that no two agents come back together. */
  readonly shortestWatchSeconds: number;
  readonly longestWatchSeconds: number;
  /** Bookmarks come each minute: two of them missing, and some. */
  readonly silentMs: number;
  /** Upper end of the jitter after the first failure; doubles with each further one. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A watch that lived for this long counts as recovered. */
  readonly recoveredMs: number;
}

export const defaultWatchTimings: WatchTimings = {
  shortestWatchSeconds: 40 * 60,
  longestWatchSeconds: 60 * 60,
  silentMs: 150_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 30_000,
  recoveredMs: 30_000,
};

export interface WatchTarget {
  readonly resource: 'nodes' | 'configmaps';
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** How many objects a list asks for at once; undefined: all, which an API server can give without asking etcd. */
  readonly pageSize: number | undefined;
  /** What a list keeps. */
  readonly concerns: (object: unknown) => boolean;
  /** All that concerns it. */
  readonly onList: (items: readonly unknown[]) => void;
  readonly onPut: (object: unknown) => void;
  readonly onDelete: (object: unknown) => void;
  /** The watch lives, or why what is known may be out of date. */
  readonly onContact: (problem: string | undefined) => void;
}

export interface WatchLoopParts {
  readonly access: ClusterAccess;
  readonly requests: Requests;
  readonly observer: RequestObserver & {
    /** It broke, or ended before its time, and begins again. */
    onWatchRestarted(resource: WatchTarget['resource']): void;
  };
  readonly log: Logger;
  readonly timings: WatchTimings;
}

/** Clocks differ, and a server ends a watch a little before or after its time. */
const endSlackMs = 5_000;

/** Resolves when the signal fires; rejects only with what the target's functions throw. */
export async function runWatchLoop(target: WatchTarget, parts: WatchLoopParts, signal: AbortSignal): Promise<void> {
  const { timings, observer, log } = parts;
  const { resource } = target;
  /** Where the next watch begins; undefined: list first. */
  let version: string | undefined;
  const backoff = new WatchBackoff(timings);

  async function retreat(reason: string, retryAfterMs?: number): Promise<void> {
    const waitMs = backoff.nextMs(retryAfterMs);
    log.debug({ resource, reason, failures: backoff.failures, waitMs: Math.round(waitMs) }, 'watch begins again');
    await sleep(waitMs, signal);
  }

  async function watchFrom(from: string): Promise<void> {
    const seconds = Math.round(
      timings.shortestWatchSeconds + Math.random() * (timings.longestWatchSeconds - timings.shortestWatchSeconds),
    );
    const startedAt = performance.now();
    const end = await watchOnce(target, parts, { from, seconds, onVersion: (seen) => (version = seen) }, signal);
    const livedMs = performance.now() - startedAt;
    backoff.watched(livedMs);
    if (end.kind === 'expired') backoff.expired();
    if (end.kind === 'aborted' || (end.kind === 'ended' && livedMs >= seconds * 1000 - endSlackMs)) return;

    observer.onWatchRestarted(resource);
    // What broke may have swallowed what came after it; a resourceVersion that the server does not know brings nothing at all.
    if (end.kind === 'silent' || end.kind === 'expired') version = undefined;
    if (end.kind === 'failed' || end.kind === 'silent') target.onContact(toProblem(end));
    // The body of a refused watch is lost: a list tells why.
    if (end.kind === 'failed' && end.status === 403) version = undefined;
    await retreat(end.kind === 'failed' ? end.failure.message : end.kind);
  }

  while (!signal.aborted) {
    if (version === undefined) {
      try {
        version = await list(target, parts, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Failure)) throw error;
        target.onContact(error.message);
        await retreat(error.message, error.retryAfterMs);
      }
    } else {
      await watchFrom(version);
    }
  }
}

async function list(target: WatchTarget, { requests }: WatchLoopParts, signal: AbortSignal): Promise<string> {
  const { resource, path, query, pageSize, concerns } = target;
  const question = { asking: { resource, verb: 'list' }, path, query } as const;
  const toItem = (object: unknown): unknown => (concerns(object) ? object : undefined);
  const { resourceVersion, items } = await listPages(requests, question, pageSize, toItem, signal);
  target.onList(items);
  return resourceVersion;
}

interface WatchSpan {
  readonly from: string;
  readonly seconds: number;
  readonly onVersion: (version: string) => void;
}

async function watchOnce(
  target: WatchTarget,
  { access, observer, timings }: WatchLoopParts,
  { from, seconds, onVersion }: WatchSpan,
  signal: AbortSignal,
): Promise<WatchEnd> {
  const { resource, path, query } = target;
  let open;
  try {
    open = await access.open(signal);
  } catch (error) {
    if (signal.aborted) return { kind: 'aborted' };
    return { kind: 'failed', failure: Failure.from(error), status: undefined };
  }
  let isOpen = false;
  const end = await runWatch(
    open,
    {
      path,
      query: { ...query, resourceVersion: from, allowWatchBookmarks: 'true', timeoutSeconds: String(seconds) },
      silentMs: timings.silentMs,
      onOpen: () => {
        isOpen = true;
        observer.onRequest('watch', resource, '200');
        observer.onHeard();
        target.onContact(undefined);
      },
      onEvent: (type, object) => {
        observer.onHeard();
        if (type === 'ADDED' || type === 'MODIFIED') target.onPut(object);
        else if (type === 'DELETED') target.onDelete(object);
        const seen = toResourceVersion(object);
        if (seen !== undefined) onVersion(seen);
      },
    },
    signal,
  );
  if (!isOpen && end.kind === 'failed') {
    observer.onRequest('watch', resource, end.status === undefined ? 'error' : String(end.status));
  }
  const isRefused = end.kind === 'failed' && (end.status === 401 || end.failure.code === 'tls');
  if (isRefused) access.refuse(open);
  return end;
}

function toProblem(end: Extract<WatchEnd, { kind: 'failed' | 'silent' }>): string {
  return end.kind === 'silent' ? 'the API server says nothing any more, not even bookmarks' : end.failure.message;
}
