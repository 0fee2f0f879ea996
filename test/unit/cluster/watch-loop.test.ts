import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClusterAccess } from '../../../agent/cluster/access.ts';
import type { Requests } from '../../../agent/cluster/requests.ts';
import { defaultWatchTimings, runWatchLoop, type WatchTarget } from '../../../agent/cluster/watch-loop.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';

describe('lists that fail, one after the other', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** When they were asked for, in seconds, while each of them failed. */
  async function attempts(failure: Failure, random: number, seconds: number): Promise<number[]> {
    vi.spyOn(Math, 'random').mockReturnValue(random);
    const began = Date.now();
    const asked: number[] = [];
    const problems: (string | undefined)[] = [];
    const requests: Pick<Requests, 'ask'> = {
      ask() {
        asked.push((Date.now() - began) / 1000);
        return Promise.reject(failure);
      },
    };
    const target: WatchTarget = {
      resource: 'nodes',
      path: '/api/v1/nodes',
      query: {},
      pageSize: undefined,
      concerns: () => true,
      onList: () => undefined,
      onPut: () => undefined,
      onDelete: () => undefined,
      onContact: (problem) => problems.push(problem),
    };
    const stop = new AbortController();
    const over = runWatchLoop(
      target,
      {
        access: {} as ClusterAccess,
        requests: requests as Requests,
        observer: { onRequest: () => undefined, onHeard: () => undefined, onWatchRestarted: () => undefined },
        log: silentLogger,
        timings: defaultWatchTimings,
      },
      stop.signal,
    );
    await vi.advanceTimersByTimeAsync(seconds * 1000);
    stop.abort();
    await over;
    expect(problems).toHaveLength(asked.length);
    return asked;
  }

  test('come at most 1, 2, 4, … and never more than 30 s apart', async () => {
    expect(await attempts(new Failure('network', 'nobody'), 1, 100)).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
  });

  test('come anywhere in that time, so that a thousand agents do not come together', async () => {
    expect(await attempts(new Failure('network', 'nobody'), 0.25, 10)).toEqual([0, 0.25, 0.75, 1.75, 3.75, 7.75]);
  });

  test('what the server asks for is added to, not replaced: it asks all for the same', async () => {
    const failure = new Failure('rate_limited', 'slowly', { retryAfterMs: 5_000 });
    expect(await attempts(failure, 0.5, 20)).toEqual([0, 5.5, 11.5, 18.5]);
  });
});
