import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { FakeCluster } from '../../fakes/fake-cluster.ts';
import { box, CoordinatorWorld, host, minute, pass, web } from './coordinator-world.ts';
import { toPattern } from './resolver-world.ts';

let world: CoordinatorWorld;
const member = `${host}/app/llm:v1`;

beforeEach(() => {
  vi.useFakeTimers();
  world = new CoordinatorWorld();
  world.api.setNode('n2', { labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' } });
  world.source.add(member, world.web);
  const tags = [{ name: 'v1', pushedAt: 1, pulledAt: undefined }];
  world.harbor.put('app/llm', { digest: world.web.digest, tags });
});

afterEach(async () => {
  const stopped = world.stop();
  await pass(minute);
  await stopped;
  vi.useRealTimers();
});

const configuration = () => {
  const plain = world.configuration();
  const [set] = plain.imageSets;
  if (set === undefined) throw new Error('there is no set');
  return { ...plain, imageSets: [{ ...set, patterns: [toPattern({ repository: 'llm' })] }] };
};

/** Platforms of the published records, by reference. */
const platforms = async () =>
  new Map(
    [...(await world.published()).images].map(([reference, image]) => [
      reference,
      image.platforms.map(({ platform }) => platform),
    ]),
  );

async function lead(name: string, listing: 'listed' | 'refused' | 'refused once' | 'empty') {
  const cluster = new FakeCluster(name, { api: world.api });
  const forbidden = new Failure('auth', 'no', { detail: 'forbidden' });
  if (listing === 'refused') cluster.fail('listNodes', forbidden, 1_000);
  if (listing === 'refused once') cluster.fail('listNodes', forbidden);
  if (listing === 'empty') cluster.listNodes = () => Promise.resolve([]);
  const coordinator = world.create(cluster);
  coordinator.setConfiguration(configuration());
  const end = world.lead(coordinator);
  await pass(minute);
  return end;
}

test.each(['refused', 'empty'] as const)(
  'a new leader whose list of nodes is %s forgets no architecture that another one knew',
  async (listing) => {
    const first = await lead('n1', 'listed');
    await first();
    const both = ['linux/amd64', 'linux/arm64'];
    const whole = new Map([box, web, member].toSorted().map((reference) => [reference, both]));
    expect(await platforms()).toEqual(whole);
    // What is due is resolved, and not only taken over.
    await lead('n1', listing);
    await pass(60 * minute);
    expect(await platforms()).toEqual(whole);
  },
);

test('an architecture whose last node left is forgotten once the nodes are listed', async () => {
  const first = await lead('n1', 'listed');
  await first();
  world.api.removeNode('n2');
  await lead('n1', 'refused once');
  expect((await platforms()).get(web)).toEqual(['linux/amd64', 'linux/arm64']);
  await pass(60 * minute);
  expect((await platforms()).get(web)).toEqual(['linux/amd64']);
});
