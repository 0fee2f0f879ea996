import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { untilAborted } from '../../../agent/core/abort.ts';
import { sleep } from '../../../agent/core/sleep.ts';
import { host, interval, minute, ResolverWorld, toPattern } from './resolver-world.ts';

let world: ResolverWorld;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.patterns = [toPattern({ repository: 'llm-a' })];
  world.push('app/llm-a', 'v1', 1);
  await world.pattern();
  vi.advanceTimersByTime(interval);
  world.push('app/llm-a', 'v2', 2);
});

afterEach(() => vi.useRealTimers());

/** Harbor takes so long for each page; after the pages it hangs, or gives the list. */
function answerInPages(pages: number, pageMs: number, hangs = false): void {
  const list = world.harbor.listArtifacts.bind(world.harbor);
  world.harbor.listArtifacts = async (login, project, repository, query, signal) => {
    for (let page = 0; page < pages; page += 1) {
      await sleep(pageMs, signal);
      signal.throwIfAborted();
      query.onPage?.(100 * (page + 1));
    }
    if (hangs) await untilAborted(new Promise(() => undefined), signal);
    return list(login, project, repository, query, signal);
  };
}

async function timed() {
  const startedAt = performance.now();
  let tookMs: number | undefined;
  const round = world.pattern().finally(() => {
    tookMs = performance.now() - startedAt;
  });
  while (tookMs === undefined) await vi.advanceTimersByTimeAsync(1_000);
  return { tookMs, record: await round };
}

describe('a repository with very many tags', () => {
  test('has as long for its list as Harbor goes on with pages', async () => {
    answerInPages(200, 2_000);
    const { record } = await timed();
    expect(record.members).toEqual([`${host}/app/llm-a:v1`, `${host}/app/llm-a:v2`]);
    expect(record).not.toHaveProperty('failure');
  });

  test('and a page that never comes is not waited for', async () => {
    answerInPages(20, 2_000, true);
    const { tookMs, record } = await timed();
    expect(tookMs).toBeLessThan(2 * minute);
    expect(record).toMatchObject({ members: [`${host}/app/llm-a:v1`], failure: { code: 'timeout' } });
  });

  test('holds no round for ever, however many pages there are', async () => {
    answerInPages(490, 2_000);
    const { tookMs, record } = await timed();
    expect(tookMs).toBeLessThan(11 * minute);
    expect(record).toMatchObject({ members: [`${host}/app/llm-a:v1`], failure: { code: 'timeout' } });
  });

  test('fills no memory: too many are said to be, and what was known stays', async () => {
    answerInPages(1_000, 10);
    const { record } = await timed();
    expect(record).toMatchObject({ members: [`${host}/app/llm-a:v1`], failure: { code: 'other' } });
    expect(record.failure?.message).toMatch(/more than 50000 artifacts/);
  });
});
