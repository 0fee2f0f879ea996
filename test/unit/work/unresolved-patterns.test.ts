import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { wholeRequest } from '../../../agent/core/prune-request.ts';
import { FakeNode } from '../../fakes/fake-node.ts';
import { samplePattern, sampleResolutions, sampleResolved } from '../../fakes/resolutions.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const member = 'harbor.example/ml/llm:v1';
const pattern = samplePattern();
const never = new AbortController().signal;
let node: FakeNode;

beforeEach(async () => {
  vi.useFakeTimers();
  node = new FakeNode();
  node.runtime.registry.add(member, { layers: [1_000] });
  node.runtime.addImage(member, { layers: [1_000] });
  void node.start();
  node.reconciler.setNode(standaloneNode('n1', {}));
  const harbor = { host: 'harbor.example', harbor: true, plainHTTP: false, insecureSkipVerify: false, tokenHosts: [] };
  const set = sampleSet('s', [], { patterns: [pattern] });
  const configuration = sampleConfiguration([set], {}, { unusedForMs: 60_000, minimumAgeMs: 0 });
  node.configure({ ...configuration, registries: [{ ...harbor, caFile: undefined }] });
  await vi.advanceTimersByTimeAsync(86_400_000);
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

async function decision(): Promise<string | undefined> {
  const plan = await node.pruner.plan(wholeRequest, never);
  return plan?.images[0]?.decision.reason;
}

test('what a pattern may mean is kept until somebody has resolved it, and then only what it means', async () => {
  expect(await decision()).toBe('desired');
  node.reconciler.setResolutions(sampleResolutions([], [[pattern, { members: [] }]]));
  expect(await decision()).toBe('age');
  node.reconciler.setResolutions(sampleResolutions([sampleResolved(member)], [[pattern, { members: [member] }]]));
  expect(await decision()).toBe('desired');
});
