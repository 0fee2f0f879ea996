/** `stevedore uninstall` takes back what the cluster has of an agent. */

import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { readRecord } from '../../../agent/cluster/fields.ts';
import { bundledAgent } from '../../integration/bundle.ts';
import type { Stage } from '../stage.ts';
import { eventually, makeNode, untilMetric } from '../stage-node.ts';
import { namespace } from '../test-cluster.ts';

const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

export function uninstallScenarios(stage: () => Stage): void {
  test('label, condition, Lease, pin and state are taken back; then it stays until it is stopped, as its pod does', async () => {
    const { cluster, push, configure } = stage();
    await configure([{ name: 'gone', images: [await push()] }]);
    const node = await makeNode(stage(), { labels: { zone: 'a' } });
    const agent = await node.startAgent();
    await node.untilLabel('gone', 'ready');
    await untilMetric(agent, 'images_pinned', 1);
    expect(await agent.stop()).toBe(0);
    // As an agent that was killed leaves it.
    const metadata = { name: 'stevedore-pull-0', namespace };
    const spec = { holderIdentity: node.name, leaseDurationSeconds: 60 };
    await cluster.admin.must('POST', leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    onTestFinished(() => node.admin.deleteLease(metadata.name));

    const { code, stdout } = await node.command('uninstall', '--json');
    expect({ code, stdout }).toMatchObject({ code: 0 });
    const steps = stdout.trim().split('\n').map(toStep);
    expect(Object.fromEntries(steps)).toMatchObject({ node: 2, slots: 1, pins: 1 });
    const now = await node.admin.node();
    expect(now?.labels).toMatchObject({ zone: 'a' });
    expect(JSON.stringify(now)).not.toMatch(/image-set\.stevedore\.dev|ImageSetsReady/);
    const lease = await cluster.admin.must('GET', `${leases}/stevedore-pull-0`);
    expect(readRecord(lease['spec'])['holderIdentity'] ?? '').toBe('');
    await expect(readdir(node.stateDir)).rejects.toThrow(/ENOENT/);

    const [command = '', ...prefix] = await bundledAgent();
    const staying = spawn(command, [...prefix, 'uninstall', '--stay', ...node.options]);
    const exited = new Promise((resolve) => staying.once('close', resolve));
    let text = '';
    staying.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    await eventually('it stays', () => text.includes('waiting to be stopped'));
    staying.kill('SIGTERM');
    expect(await exited).toBe(0);
  });
}

function toStep(line: string): readonly [string, unknown] {
  const { step, count } = readRecord(JSON.parse(line));
  return [String(step), count];
}
