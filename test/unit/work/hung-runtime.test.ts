import { standaloneNode } from '../../../agent/core/node-state.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { FakeNode } from '../../fakes/fake-node.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const a = 'reg.example/a:1';
let node: FakeNode;

beforeEach(async () => {
  vi.useFakeTimers();
  node = new FakeNode();
  node.runtime.registry.add(a, { layers: [1_000] });
  void node.start();
  node.reconciler.setNode(standaloneNode('n1', {}));
  node.reconciler.setConfiguration(sampleConfiguration([sampleSet('s', [a])]));
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(async () => {
  await node.stop();
  vi.useRealTimers();
});

function failNext(method: 'listImages' | 'info'): void {
  node.runtime.failNext(method, new Failure('timeout', 'no answer in time'));
}

test('a runtime that does not even say who it is counts as gone, and is connected anew', async () => {
  failNext('listImages');
  failNext('info');
  node.trigger.fire();
  await vi.advanceTimersByTimeAsync(0);
  expect(node.recorder.up.at(-1)).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(node.recorder.up.at(-1)).toBe(true);
});

test('a runtime that is only slow to list stays connected', async () => {
  failNext('listImages');
  node.trigger.fire();
  await vi.advanceTimersByTimeAsync(0);
  expect(node.recorder.up.at(-1)).toBe(true);
  expect(node.runtime.calls.filter(({ method }) => method === 'watch')).toHaveLength(1);
  const before = node.looks;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(node.looks).toBe(before + 1);
});
