/** An agent whose API server is away: at its start, while it works, and when it comes back. Only the tests' API server can be stopped. */

import { expect, onTestFinished, test } from 'vitest';
import { startInProcessCluster } from '../cluster/in-process-cluster.ts';
import { useStage } from '../cluster/stage.ts';
import { eventually, makeNode, untilHeld, untilMetric, untilSaid } from '../cluster/stage-node.ts';
import { describeWith, needs } from '../harness/needs.ts';

describeWith([...needs.containerd, ...needs.registry, 'openssl'], 'an API server that is away', () => {
  const stage = useStage('containerd', startInProcessCluster);

  /** As an operator of the server that nobody reaches now. */
  function configureInside(...images: readonly string[]): void {
    const { cluster, registry } = stage();
    const config = { registries: [{ host: registry.host, plainHTTP: true }], imageSets: [{ name: 'kept', images }] };
    const metadata = { name: 'stevedore', namespace: 'stevedore' };
    cluster.server.put('configmaps', { metadata, data: { 'config.yaml': JSON.stringify(config) } });
  }

  test('at the start: the last good configuration and labels, said aloud', async () => {
    const { cluster, runtime, push, configure } = stage();
    const one = await push();
    const nodeSelector = { matchLabels: { zone: 'a' } };
    await configure([{ name: 'kept', images: [one], nodeSelector }]);
    const node = await makeNode(stage(), { labels: { zone: 'a' } });
    const before = await node.startAgent();
    await node.untilLabel('kept', 'ready');
    expect(await before.stop()).toBe(0);

    cluster.server.stop();
    // Before the node is taken away.
    onTestFinished(() => cluster.server.start());
    await runtime.removeImage(one);
    const agent = await node.startAgent();
    await untilSaid(agent, 'starting from the last good configuration', { level: 'warn' });
    await untilSaid(agent, 'starting from the last good labels of the Node', { level: 'warn' });
    await untilHeld(runtime, one);
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    expect(await agent.metric('cluster_up')).toBe(0);
  });

  test('for a new node, and amid work: it waits, keeps what is desired, and catches up', async () => {
    const { cluster, runtime, push, configure } = stage();
    const [one, two] = [await push(), await push()];
    await configure([{ name: 'kept', images: [one] }]);
    const node = await makeNode(stage());
    cluster.server.stop();
    const agent = await node.startAgent();
    await untilSaid(agent, 'the API server is not heard: what it said last stays in force');
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${agent.url}/livez`)).status).toBe(200);
    await cluster.server.start();
    await eventually('the image', async () => (await runtime.held()).includes(one));
    await node.untilLabel('kept', 'ready');
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    await untilMetric(agent, 'cluster_up', 1);
    const heardAt = (await agent.metric('cluster_last_contact_timestamp_seconds')) ?? 0;
    expect(heardAt).toBeGreaterThan(0);

    cluster.server.stop();
    await untilMetric(agent, 'cluster_up', 0);
    await runtime.removeImage(one);
    await untilHeld(runtime, one);
    configureInside(one, two);
    cluster.server.patch('nodes', node.name, { metadata: { labels: { 'image-set.stevedore.dev/kept': null } } });
    await cluster.server.start();
    await eventually('the image of the edit', async () => (await runtime.held()).includes(two));
    await node.untilLabel('kept', 'ready');
    expect(await agent.metric('cluster_last_contact_timestamp_seconds')).toBeGreaterThan(heardAt);
    expect(await agent.metric('cluster_watch_restarts_total{resource="nodes"}')).toBeGreaterThan(0);
    // Announced when there was nobody to take it.
    expect(await node.untilEvent('Warning ImagesLost')).toContain(one);
  });

  test('that hangs: the agent leaves in order', async () => {
    const { cluster, push, configure } = stage();
    await configure([{ name: 'kept', images: [await push()] }]);
    const node = await makeNode(stage());
    const agent = await node.startAgent();
    await node.untilLabel('kept', 'ready');
    cluster.server.faults.hang = true;
    onTestFinished(() => {
      cluster.server.faults.hang = false;
    });
    // It would be 1 after 4.5 s.
    expect(await agent.stop()).toBe(0);
  });
});
