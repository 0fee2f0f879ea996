import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advanceWatch,
  emptyUsage,
  lastUseOf,
  recordUsage,
  retainUsage,
  type UsageEvidence,
  usageSources,
  type UsageState,
  type Watch,
} from '../../../agent/core/usage.ts';

const hour = 3_600_000;
const day = 24 * hour;
const noon = Date.parse('2026-03-02T12:00:00Z');

function watch(more: Partial<Watch> = {}): Watch {
  return { now: noon, newsSinceWatchMs: 0, seenUntil: undefined, ...more };
}

const seen = (imageId: string): UsageEvidence => ({ imageId, source: 'first_seen', at: undefined });
const exited = (imageId: string, at: number): UsageEvidence => ({ imageId, source: 'container_exit', at });

/** Watched for `watchMs`, with an image that was known and last used at the very beginning. */
function watched(watchMs: number, imageId = 'a'): UsageState {
  return advanceWatch(recordUsage(emptyUsage, [seen(imageId)], watch()), watchMs);
}

const unusedForMs = (state: UsageState, imageId = 'a') => lastUseOf(state, imageId)?.unusedForMs;

describe('an image that was not known', () => {
  test('counts from now, however long ago its containers ended', () => {
    const state = recordUsage(advanceWatch(emptyUsage, 5 * day), [exited('a', noon - 300 * day)], watch());
    expect(lastUseOf(state, 'a')).toEqual({
      unusedForMs: 0,
      knownForMs: 0,
      lastUsedAt: noon,
      source: 'container_exit',
    });
  });

  test('has no last use before anything is recorded of it', () => {
    expect(lastUseOf(emptyUsage, 'a')).toBeUndefined();
  });

  test('counts from now again when it was forgotten in between', () => {
    const forgotten = retainUsage(watched(5 * day), new Set(['b']));
    expect(unusedForMs(forgotten)).toBeUndefined();
    expect(unusedForMs(recordUsage(forgotten, [seen('a')], watch()))).toBe(0);
  });
});

describe('evidence', () => {
  test('of use now ends the time unused, and says from where it is known', () => {
    const state = recordUsage(watched(5 * day), [{ imageId: 'a', source: 'in_use', at: undefined }], watch());
    expect(lastUseOf(state, 'a')).toMatchObject({ unusedForMs: 0, knownForMs: 5 * day, source: 'in_use' });
  });

  test('of use a while ago counts from then', () => {
    const state = recordUsage(watched(5 * day), [exited('a', noon - 2 * hour)], watch());
    expect(lastUseOf(state, 'a')).toMatchObject({ unusedForMs: 2 * hour, lastUsedAt: noon - 2 * hour });
  });

  test('older than the last use known changes nothing but that it was used', () => {
    const used = recordUsage(watched(5 * day), [{ imageId: 'a', source: 'in_use', at: undefined }], watch());
    const later = advanceWatch(used, hour);
    const state = recordUsage(later, [exited('a', noon - 3 * hour)], watch({ now: noon + hour }));
    expect(lastUseOf(state, 'a')).toEqual(lastUseOf(later, 'a'));
  });

  test('that an image is there is no use of one that was known', () => {
    expect(unusedForMs(recordUsage(watched(5 * day), [seen('a')], watch()))).toBe(5 * day);
  });

  test('a pull counts as new: from then on, with the minimum age before it', () => {
    const state = recordUsage(watched(5 * day), [{ imageId: 'a', source: 'pulled', at: undefined }], watch());
    expect(lastUseOf(state, 'a')).toMatchObject({ unusedForMs: 0, knownForMs: 0, source: 'pulled' });
  });

  test('of one image says nothing of another: a tag that moved to a new digest leaves the old image its age', () => {
    const state = recordUsage(watched(5 * day, 'old'), [{ imageId: 'new', source: 'pulled', at: undefined }], watch());
    expect([unusedForMs(state, 'old'), unusedForMs(state, 'new')]).toEqual([5 * day, 0]);
  });
});

describe('what happened while nobody watched', () => {
  /** The agent was away for 30 days, and is back for an hour. */
  const back = { newsSinceWatchMs: 5 * day, seenUntil: noon - 30 * day };
  const state = advanceWatch(watched(5 * day), hour);

  test('counts from when watching began again', () => {
    const after = recordUsage(state, [exited('a', noon - 10 * day)], watch(back));
    expect(lastUseOf(after, 'a')).toMatchObject({ unusedForMs: hour, lastUsedAt: noon - 10 * day });
  });

  test('is no news where the run before saw it', () => {
    expect(unusedForMs(recordUsage(state, [exited('a', noon - 31 * day)], watch(back)))).toBe(5 * day + hour);
  });

  test('is news where the clock was set back meanwhile, and its times say nothing', () => {
    const ahead = watch({ ...back, seenUntil: noon + 1_000 * day });
    expect(unusedForMs(recordUsage(state, [exited('a', noon - 10 * day)], ahead))).toBe(hour);
  });
});

describe('a clock that jumps', () => {
  test('forwards: news since the last listing is no older than that listing', () => {
    const jumped = watch({ now: noon + 9_000 * day, newsSinceWatchMs: 5 * day - hour });
    expect(unusedForMs(recordUsage(watched(5 * day), [exited('a', noon)], jumped))).toBe(hour);
  });

  test('backwards: a time in the future is now', () => {
    const jumped = watch({ now: noon - 9_000 * day });
    const state = recordUsage(watched(5 * day), [exited('a', noon)], jumped);
    expect(lastUseOf(state, 'a')).toMatchObject({ unusedForMs: 0, lastUsedAt: jumped.now });
  });
});

describe('in any course of events', () => {
  const steps = fc.array(
    fc.record({
      watchedMs: fc.integer({ min: -day, max: 40 * day }),
      /** Wall time goes wherever it likes. */
      now: fc.integer({ min: 0, max: 4_000 * day }),
      imageId: fc.constantFrom('a', 'b', 'c'),
      source: fc.constantFrom(...usageSources),
      at: fc.option(fc.integer({ min: -5_000 * day, max: 9_000 * day }), { nil: undefined }),
      seenUntil: fc.option(fc.integer({ min: 0, max: 4_000 * day }), { nil: undefined }),
      listed: fc.boolean(),
    }),
    { maxLength: 30 },
  );

  test('no image is unused for longer than it is known, nor for longer than was watched since the listing before its last news', () => {
    fc.assert(
      fc.property(steps, (course) => {
        let state = emptyUsage;
        let newsSinceWatchMs = 0;
        const latestNews = new Map<string, number>();
        for (const { watchedMs, now, imageId, source, at, seenUntil, listed } of course) {
          state = advanceWatch(state, watchedMs);
          state = recordUsage(state, [{ imageId, source, at }], { now, newsSinceWatchMs, seenUntil });
          const isNews = at === undefined || seenUntil === undefined || seenUntil > now || at >= seenUntil;
          if (source !== 'first_seen' && isNews) latestNews.set(imageId, newsSinceWatchMs);
          if (listed) newsSinceWatchMs = state.watchMs;
          for (const id of state.records.keys()) {
            const use = lastUseOf(state, id);
            expect(use?.unusedForMs).toBeGreaterThanOrEqual(0);
            expect(use?.unusedForMs).toBeLessThanOrEqual(use?.knownForMs ?? -1);
            expect(use?.unusedForMs).toBeLessThanOrEqual(state.watchMs - (latestNews.get(id) ?? 0));
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the watch clock never goes back, so no image grows younger by itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: -40 * day, max: 40 * day }), (watchedMs) => {
        expect(unusedForMs(advanceWatch(watched(day), watchedMs))).toBe(day + Math.max(0, watchedMs));
      }),
    );
  });
});
