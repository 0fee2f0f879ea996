/** What is warm is published as such only with what Harbor's policy says of it. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ResolvedImage } from '../../../agent/core/resolution.ts';
import { FakeCluster } from '../../fakes/fake-cluster.ts';
import { box, CoordinatorWorld, minute, pass } from './coordinator-world.ts';

const words = 'current image without vulnerability scanning cannot be pulled';
let world: CoordinatorWorld;
let digest: string;
let child: string;
let seen: (readonly [string | undefined, string | undefined])[];

beforeEach(() => {
  vi.useFakeTimers();
  world = new CoordinatorWorld();
  digest = world.box.children[0]?.digest ?? '';
  child = `${box.slice(0, -2)}@${digest}`;
  seen = [];
});

async function lead(): Promise<void> {
  const coordinator = world.create(new FakeCluster('n1', { api: world.api }));
  coordinator.setConfiguration(world.configuration([box]));
  world.lead(coordinator);
  await watch(5_000);
}

afterEach(async () => {
  await world.stop();
  vi.useRealTimers();
});

const record = async (): Promise<ResolvedImage | undefined> => (await world.published()).images.get(box);
const heads = () => world.asked.filter((call) => call === `headManifest ${child}`).length;

/** Every state that nodes could see meanwhile. */
async function watch(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await pass(500);
    const [platform] = (await record())?.platforms ?? [];
    const state = [platform?.warm, platform?.refusal?.message] as const;
    if (String(seen.at(-1)) !== String(state)) seen.push(state);
  }
}

function scan(status: string, severity?: string): void {
  world.harbor.put('hub/library/busybox', { digest, scan: { status, severity } });
}

/** Harbor stores it, and scans it. */
function storeUnscanned(): void {
  world.source.refuse(child, words);
  scan('Running');
}

describe('a new image whose first scan runs', () => {
  beforeEach(lead);

  test('is never published as warm without the refusal, and given out soon after the scan is over', async () => {
    storeUnscanned();
    await watch(3 * minute);
    expect(seen.filter(([warm]) => warm !== undefined)).toEqual([
      ['cold', undefined],
      ['warm', words],
    ]);
    scan('Success', 'Low');
    world.source.refuse(child, undefined);
    await watch(90_000);
    expect(seen.at(-1)).toEqual(['warm', undefined]);
    expect(heads()).toBe(2);
    await watch(2 * minute);
    expect(seen.at(-1)).toEqual(['warm', undefined]);
  });

  test('is refused in the words of what the scan found', async () => {
    storeUnscanned();
    await watch(minute);
    scan('Success', 'Critical');
    world.source.refuse(child, 'severity of Critical');
    await watch(90_000);
    expect(seen.at(-1)).toEqual(['warm', 'severity of Critical']);
    const before = heads();
    await pass(20 * minute);
    expect(heads()).toBe(before);
  });

  test('that takes very long is looked at by the rounds', async () => {
    storeUnscanned();
    await pass(12 * minute);
    world.harbor.calls.length = 0;
    await pass(15 * minute);
    expect(world.harbor.calls.filter(({ method }) => method === 'readArtifact')).toEqual([]);
    scan('Success', 'Low');
    world.source.refuse(child, undefined);
    await pass(10 * minute);
    expect((await record())?.platforms[0]?.refusal).toBeUndefined();
  });
});

test('an image that is refused before it is known to be warm is given out, and warm, soon after its scan', async () => {
  storeUnscanned();
  await lead();
  expect(seen.at(-1)).toEqual(['cold', words]);
  await pass(3 * minute);
  scan('Success', 'Low');
  world.source.refuse(child, undefined);
  await watch(2 * minute);
  expect(seen.at(-1)).toEqual(['warm', undefined]);
});

test('an image that was given out and is scanned anew is given out again soon after that', async () => {
  await lead();
  world.store(world.box);
  await watch(minute);
  expect(seen.at(-1)).toEqual(['warm', undefined]);
  storeUnscanned();
  await pass(30 * minute);
  expect((await record())?.platforms[0]?.refusal?.message).toBe(words);
  scan('Success', 'Low');
  world.source.refuse(child, undefined);
  await pass(90_000);
  expect((await record())?.platforms[0]?.refusal).toBeUndefined();
});

test('where Harbor cannot be asked for it, it is warm all the same', async () => {
  await lead();
  world.source.faults.fail(child, new TypeError('gone'), 1);
  world.store(world.box);
  await watch(minute);
  expect(seen.at(-1)).toEqual(['warm', undefined]);
});
