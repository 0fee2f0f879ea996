/** One agent of a cluster resolves and warms for all, and another one takes over. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../../harness/folder.ts';
import { type Harbor, type HarborRequest, parseRights, startHarbor } from '../../harness/harbor/harbor.ts';
import { buildImage, buildLayer } from '../../harness/images.ts';
import { type RunningAgent, until } from '../../integration/running-agent.ts';
import { type Stage, type StageRuntime, startRuntime } from '../stage.ts';
import { eventually, findSaid, makeNode, type StageNode, untilHeld, untilSaid } from '../stage-node.ts';
import { namespace } from '../test-cluster.ts';

const rights = ['repository:pull', 'repository:list', 'artifact:list', 'artifact:read', 'project:read'];
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/stevedore-coordinator`;
const sample = (seed: string) =>
  buildImage({ layers: [buildLayer({ seed: `coordinator ${seed}`, sizeBytes: 4_000_000 })] });

interface Member {
  readonly node: StageNode;
  readonly runtime: StageRuntime;
  agent: RunningAgent;
}

interface World {
  readonly harbor: Harbor;
  readonly reference: string;
  release(seed: string): Promise<void>;
  readonly leader: Member;
  readonly follower: Member;
}

/** A Harbor with a proxy-cache project, and two nodes with a runtime each that want an image of it. */
async function startWorld(stage: Stage): Promise<World> {
  const harbor = await startHarbor();
  const folder = await makeFolder('stv-h');
  onTestFinished(async () => {
    await harbor.remove();
    await folder.remove();
  });
  harbor.addProject('px', { proxyOf: harbor.upstream });
  const permissions = [{ kind: 'project', namespace: '*', access: parseRights(...rights) }] as const;
  const { username, password } = harbor.loginOf(harbor.addRobot({ name: 'agents', permissions }));
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const credentials = join(folder.path, 'auth.json');
  await writeFile(credentials, JSON.stringify({ auths: { [harbor.host]: { auth } } }));
  const release = async (seed: string): Promise<void> =>
    void (await harbor.upstream.registry.push('lib/app', 'v1', sample(seed)));
  await release('first');
  harbor.upstream.reset();
  const reference = `${harbor.host}/px/lib/app:v1`;
  await stage.configureAs(
    JSON.stringify({
      registries: [{ host: harbor.host, plainHTTP: true, harbor: true }],
      credentials: [credentials],
      imageSets: [{ name: 'apps', images: [reference], pullPolicy: 'Always', refreshEvery: '10s' }],
      coordinator: { interval: '10s' },
    }),
  );
  const runtimes = await Promise.all([startRuntime('containerd', harbor), startRuntime('containerd', harbor)]);
  onTestFinished(async () => {
    await stage.cluster.admin.ask('DELETE', leasePath);
    await Promise.all(runtimes.map((runtime) => runtime.remove()));
  });
  const [first, second] = runtimes;
  const start = async (runtime: StageRuntime): Promise<Member> => {
    const node = await makeNode(stage, { runtime });
    return { node, runtime, agent: await node.startAgent() };
  };
  const leader = await start(first);
  await untilSaid(leader.agent, /^this agent coordinates/);
  const follower = await start(second);
  return { harbor, reference, release, leader, follower };
}

const isOwn = ({ userAgent }: HarborRequest): boolean => userAgent?.startsWith('stevedore') === true;

/** Of runtimes, and what they made Harbor ask upstream. */
function costOfPulls(harbor: Harbor): number {
  const costs = harbor.requests.filter((request) => !isOwn(request)).map(({ upstream }) => upstream);
  return costs.reduce((sum, { heads, manifests, blobs }) => sum + heads + manifests + blobs, 0);
}

async function stateOf(agent: RunningAgent, state: string): Promise<boolean> {
  return (await agent.metric(`coordinator_state{state="${state}"}`)) === 1;
}

export function coordinatorScenarios(stage: () => Stage): void {
  test('where nothing has to be resolved nobody asks for the Lease', async () => {
    const { push, configure } = stage();
    await configure([{ name: 'apps', images: [await push()] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await node.untilLabel('apps', 'ready');
    expect(await stateOf(agent, 'off')).toBe(true);
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    expect(metrics).not.toMatch(/cluster_requests_total\{[^}]*resource="leases"/);
  });

  test('one agent resolves and warms, both nodes pull what it published, at no cost upstream; a restart hands on', {
    timeout: 300_000,
  }, async () => {
    const { harbor, reference, release, leader, follower } = await startWorld(stage());
    for (const { runtime, node } of [leader, follower]) {
      await untilHeld(runtime, reference);
      await node.untilLabel('apps', 'ready');
    }
    expect(costOfPulls(harbor)).toBe(0);
    expect(await stateOf(leader.agent, 'leader')).toBe(true);
    await eventually('a follower', () => stateOf(follower.agent, 'follower'));
    expect(findSaid(follower.agent, /^this agent coordinates/)).toBeUndefined();
    const shown = JSON.parse((await follower.node.command('plan', '--json')).stdout);
    expect(shown).toMatchObject({ resolution: { resolvedBy: 'coordinator' }, present: [{ reference }] });

    // It gives the Lease back, and whoever looks next has it: here its own next life.
    await leader.agent.stop();
    leader.agent = await leader.node.startAgent();
    await untilSaid(leader.agent, /^this agent coordinates/);
    await release('second');
    await eventually(
      'the release on the other node',
      async () => (await follower.agent.metric('image_pulls_total')) === 2,
    );
    await follower.node.untilLabel('apps', 'ready');
    expect(costOfPulls(harbor)).toBe(0);
  });
}

/** As long as a Lease lives, twice. */
export function slowCoordinatorScenarios(stage: () => Stage): void {
  test('another agent takes over from one that was killed, within twice its lease time', {
    timeout: 420_000,
  }, async () => {
    const { reference, release, leader, follower } = await startWorld(stage());
    await untilHeld(follower.runtime, reference);
    leader.agent.process.kill('SIGKILL');
    await leader.agent.exited;
    await until('the other one', () => findSaid(follower.agent, /^this agent coordinates/), 250_000);
    await release('second');
    await eventually('the release', async () => (await follower.agent.metric('image_pulls_total')) === 2);
  });
}
