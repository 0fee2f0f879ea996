/** The double answers as a real Harbor 2.15.2 did when it was recorded: same status, same headers that matter, same form of body. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { notReplayed, reasonFor } from './harbor/not-replayed.ts';
import { keptNames, recordedNames } from './harbor/recording.ts';
import { fillPolicyProjects, fillProjects, makeWorld, type World } from './harbor/recorded-world.ts';
import { type Replay, replay } from './harbor/replay.ts';
import { apiReplays } from './harbor/replays-api.ts';
import { cachedReplays, coldReplays, fillUpstream, pullThrough } from './harbor/replays-proxy.ts';
import { policyReplays, registryReplays } from './harbor/replays-registry.ts';

const everyReplay = [registryReplays, apiReplays, policyReplays, coldReplays, cachedReplays].flat();

describe('the recordings', () => {
  const replayed = everyReplay.map(({ name }) => name);

  test('each one is replayed or has a reason why not', () => {
    expect(recordedNames()).toHaveLength(292);
    const unclear = recordedNames().filter((name) => replayed.includes(name) === (reasonFor(name) !== undefined));
    expect(unclear).toEqual([]);
  });

  test('each is replayed once, and those are the ones that are kept', () => {
    expect(replayed.toSorted()).toEqual(keptNames().toSorted());
  });

  test('every reason still has its recordings', () => {
    for (const { names } of notReplayed) {
      for (const pattern of names) {
        const found = recordedNames().some(
          (name) => name === pattern || (pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1))),
        );
        expect(found, pattern).toBe(true);
      }
    }
  });
});

function describeReplays(name: string, replays: readonly Replay[], make: () => Promise<World>): void {
  describeWith(needs.registry, name, () => {
    let world: World;
    beforeAll(async () => {
      world = await make();
    });
    afterAll(() => world.remove());
    test.each(replays)('$name', (one) => replay(world, one));
  });
}

describeReplays('/v2/ and its tokens', registryReplays, async () => {
  const world = await makeWorld();
  await fillProjects(world);
  return world;
});

describeReplays('the REST API', apiReplays, async () => {
  const world = await makeWorld();
  await fillProjects(world);
  return world;
});

describeReplays('refusals by policy', policyReplays, async () => {
  const world = await makeWorld();
  await fillPolicyProjects(world);
  return world;
});

describeReplays('proxy-cache projects with nothing cached', coldReplays, async () => {
  // The background never comes to a look in this time.
  const world = await makeWorld({ timing: { checkPeriodMs: 600_000, tagPeriodMs: 600_000 } });
  await fillUpstream(world);
  return world;
});

describeReplays('proxy-cache projects with cached images', cachedReplays, async () => {
  const world = await makeWorld({ timing: { checkPeriodMs: 5, tagPeriodMs: 5 } });
  await fillUpstream(world);
  const digest = (hex: string): string => world.digests.get(`sha256:${hex}`) ?? '';
  await pullThrough(world, 'lib/single', [digest('5ee4b8a1884a4c99276f882c53591c81390df59e358e1bea13088819361f0b3a')]);
  await pullThrough(world, 'lib/multi', [
    digest('e7b45c3896188068a3ca7ec520a01333b4bff3f32b3e13e4a867ddf89760fd00'),
    digest('66671d4fc7afbc4afd68c10998cac18ce9559a9c3147a7a8d4b658e2321b7421'),
  ]);
  const vulnerable = [digest('328175463b3e2c372145454d2bdd78c9b3e743a7683599a1e3ea5eedd6f820ee')];
  await pullThrough(world, 'lib/vul', vulnerable, 'pxvul');
  await world.harbor.settled();
  return world;
});
