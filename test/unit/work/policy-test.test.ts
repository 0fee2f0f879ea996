import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { type Logger, silentLogger } from '../../../agent/core/logger.ts';
import type { NodeStatusPatch } from '../../../agent/core/node-report.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { PolicyTest } from '../../../agent/work/policy-test.ts';
import { RecordingClusterRecorder } from '../../fakes/recording-cluster-recorder.ts';

const minuteMs = 60_000;
const node = { ...standaloneNode('n1', {}), uid: 'first' };

const byPolicy = new Failure(
  'auth',
  `nodes "n1" is forbidden: ValidatingAdmissionPolicy 'stevedore-own-node' with binding 'stevedore-own-node' denied request: only labels with the prefix image-set.stevedore.dev/ may change`,
  { detail: 'forbidden' },
);
const byRbac = new Failure(
  'auth',
  'nodes "n1" is forbidden: User "system:serviceaccount:stevedore:stevedore" cannot patch resource "nodes/status" in API group "" at the cluster scope',
  { detail: 'forbidden' },
);

let stop: AbortController;
let patches: { readonly patch: NodeStatusPatch; readonly dryRun: boolean | undefined }[];
let answer: Failure | undefined;
let recorder: RecordingClusterRecorder;
let said: string[];
let policyTest: PolicyTest;

beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
  patches = [];
  answer = byPolicy;
  said = [];
  recorder = new RecordingClusterRecorder();
  const log: Logger = {
    ...silentLogger,
    error: (_, message) => void said.push(`error: ${message}`),
    warn: (fields) => void said.push(`warn: ${String(fields['error'])}`),
    info: () => void said.push('info'),
  };
  const patchNodeStatus = async (
    patch: NodeStatusPatch,
    _signal: AbortSignal,
    options?: { readonly dryRun?: boolean },
  ): Promise<void> => {
    patches.push({ patch, dryRun: options?.dryRun });
    await Promise.resolve();
    if (answer !== undefined) throw answer;
  };
  policyTest = new PolicyTest({ cluster: { patchNodeStatus }, recorder, log, random: () => 0.5 });
  void policyTest.run(stop.signal);
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
async function meet(): Promise<void> {
  policyTest.node(node);
  policyTest.contact(true);
  await pass(0);
}

test('waits for the first contact, and then asks by a dry run for a foreign label', async () => {
  policyTest.node(node);
  await pass(60 * minuteMs);
  expect(patches).toEqual([]);
  policyTest.contact(true);
  await pass(0);
  expect(patches).toEqual([
    { patch: { labels: { 'stevedore.dev/policy-self-test': 'true' }, condition: undefined }, dryRun: true },
  ]);
});

test('refused by the policy: in force, and asked again after some 6 hours', async () => {
  await meet();
  expect(recorder.policyInForce).toBe(true);
  await pass(5 * 60 * minuteMs);
  expect(patches).toHaveLength(1);
  answer = undefined;
  await pass(2 * 60 * minuteMs);
  expect(recorder.policyInForce).toBe(false);
});

test('not refused: not in force, said once as an error that tells who can do what, until it is', async () => {
  answer = undefined;
  await meet();
  expect(recorder.policyInForce).toBe(false);
  await pass(60 * minuteMs);
  expect(said).toEqual([expect.stringMatching(/^error: no admission policy is in force.*cluster administrator/)]);
  answer = byPolicy;
  await pass(15 * minuteMs);
  expect(recorder.policyInForce).toBe(true);
  expect(said).toHaveLength(2);
});

test('one that is applied just after the agent is found in force within a minute', async () => {
  answer = undefined;
  await meet();
  answer = byPolicy;
  await pass(minuteMs);
  expect(recorder.policyInForce).toBe(true);
});

test.each([byRbac, new Failure('network', 'connection refused'), new Failure('other', 'dry run not supported')])(
  '$message: not known, and asked again with backoff',
  async (failure) => {
    answer = failure;
    await meet();
    expect(recorder.policyInForce).toBeUndefined();
    await pass(60 * minuteMs);
    expect(patches.length).toBeGreaterThan(4);
    expect(patches.length).toBeLessThan(15);
    expect(said).toEqual([`warn: ${failure.message}`]);
    answer = byPolicy;
    await pass(60 * minuteMs);
    expect(recorder.policyInForce).toBe(true);
  },
);

test('a Node that was made again is asked for anew', async () => {
  await meet();
  policyTest.node({ ...node, labels: { zone: 'a' } });
  policyTest.node(undefined);
  await pass(0);
  expect(patches).toHaveLength(1);
  policyTest.node({ ...node, uid: 'second' });
  await pass(0);
  expect(patches).toHaveLength(2);
});
