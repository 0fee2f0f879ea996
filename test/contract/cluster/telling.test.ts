/** Labels, condition, Events and the test of the policy, by the real client on an API server with the rights and the policy of the manifests. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ImageSetState } from '../../../agent/core/image-set-state.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { Announcer } from '../../../agent/work/announcer.ts';
import { NodeReporter } from '../../../agent/work/node-reporter.ts';
import { PolicyTest } from '../../../agent/work/policy-test.ts';
import { runUninstall, toClusterSteps } from '../../../agent/work/uninstall.ts';
import { RecordingClusterRecorder } from '../../fakes/recording-cluster-recorder.ts';
import { ownNodePolicy } from '../../harness/api-server/api-server.ts';
import { type Adapter, nodeName, startAdapter } from './setup.ts';
import { eventually } from '../helpers.ts';

const label = 'image-set.stevedore.dev/gpu';
const never = new AbortController().signal;

let adapter: Adapter;
let stop: AbortController;
let recorder: RecordingClusterRecorder;
let reporter: NodeReporter;
let announcer: Announcer;
let running: readonly Promise<void>[];

beforeEach(async () => {
  adapter = await startAdapter();
  stop = new AbortController();
  recorder = new RecordingClusterRecorder();
  const parts = { cluster: adapter.cluster, recorder, log: silentLogger };
  reporter = new NodeReporter(parts);
  announcer = new Announcer(parts);
  const policyTest = new PolicyTest(parts);
  adapter.server.admission = ownNodePolicy();
  const handlers = {
    onNode: (node: Parameters<NodeReporter['node']>[0]) => {
      for (const part of [reporter, announcer, policyTest]) part.node(node);
    },
    onConfigMaps: () => undefined,
    onResolved: () => undefined,
    onContact: (live: boolean) => policyTest.contact(live),
  };
  running = [
    adapter.cluster.watch(handlers, stop.signal),
    ...[reporter, announcer, policyTest].map((part) => part.run(stop.signal)),
  ];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(running);
});

const set = (...missing: readonly string[]): ImageSetState => ({
  name: 'gpu',
  gate: false,
  images: 2,
  missing: missing.map((reference) => ({ reference, why: 'backoff', failure: 'not_found', message: 'no such tag' })),
});
function look(...sets: readonly ImageSetState[]): void {
  reporter.update(sets);
  announcer.update(sets);
}
const node = () => adapter.server.get('nodes', nodeName);
const conditionOf = (type: string) => node()?.status?.conditions?.find((condition) => condition.type === type);

test('the Node and its Events tell what the sets are like, beside what others write there', async () => {
  adapter.server.patch('nodes', nodeName, {
    metadata: { labels: { zone: 'a', 'image-set.stevedore.dev/old': 'ready' } },
    status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'ok' }] },
  });
  look(set('r/a:1'));
  await eventually(() => expect(conditionOf('ImageSetsReady')).toMatchObject({ status: 'False' }));
  expect(conditionOf('ImageSetsReady')).toMatchObject({
    reason: 'ImageSetsFailed',
    message: 'gpu lacks 1 of 2 images; r/a:1: not_found: no such tag',
  });
  look(set());
  await eventually(() => expect(conditionOf('ImageSetsReady')).toMatchObject({ status: 'True' }));
  expect(node()?.metadata.labels).toMatchObject({ zone: 'a', [label]: 'ready' });
  expect(Object.keys(node()?.metadata.labels ?? {})).not.toContain('image-set.stevedore.dev/old');
  expect(conditionOf('Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady' });
  await eventually(() => {
    const events = adapter.server.list('events', 'default').map((event) => Reflect.get(event, 'reason') as string);
    expect(events.toSorted()).toEqual(['ImageSetFailed', 'ImageSetReady']);
  });
});

test('a label that an operator took away and a Node that was made again are told anew', async () => {
  look(set());
  await eventually(() => expect(node()?.metadata.labels).toMatchObject({ [label]: 'ready' }));
  adapter.server.patch('nodes', nodeName, { metadata: { labels: { [label]: null } } });
  await eventually(() => expect(node()?.metadata.labels).toMatchObject({ [label]: 'ready' }));
  adapter.server.delete('nodes', nodeName);
  adapter.server.put('nodes', { metadata: { name: nodeName } });
  await eventually(() => expect(node()?.metadata.labels).toMatchObject({ [label]: 'ready' }));
  expect(conditionOf('ImageSetsReady')).toMatchObject({ status: 'True', reason: 'ImageSetsReady' });
});

test('the policy is found in force, and not in force when it is gone; the Node is not changed by that', async () => {
  await eventually(() => expect(recorder.policyInForce).toBe(true));
  adapter.server.admission = undefined;
  adapter.server.delete('nodes', nodeName);
  adapter.server.put('nodes', { metadata: { name: nodeName } });
  await eventually(() => expect(recorder.policyInForce).toBe(false));
  expect(JSON.stringify(node())).not.toContain('policy-self-test');
});

test('without the right to patch nodes/status it is not known whether the policy is in force', async () => {
  await eventually(() => expect(recorder.policyInForce).toBe(true));
  adapter.server.rules.length = 0;
  adapter.server.delete('nodes', nodeName);
  adapter.server.put('nodes', { metadata: { name: nodeName } });
  await eventually(() => expect(recorder.policyInForce).toBeUndefined());
});

test('uninstall takes labels and condition back, and the policy allows it', async () => {
  adapter.server.patch('nodes', nodeName, { metadata: { labels: { zone: 'a', gpu: null } } });
  look(set());
  await eventually(() => expect(conditionOf('ImageSetsReady')).toBeDefined());
  stop.abort();
  await Promise.all(running);
  const outcome = await runUninstall(toClusterSteps(adapter.cluster, nodeName), () => undefined, never);
  expect(outcome).toBe('success');
  expect(node()?.metadata.labels).toEqual({ zone: 'a' });
  expect(conditionOf('ImageSetsReady')).toBeUndefined();
});
