import { expect, test } from 'vitest';
import { findProtection, type PruneProtection } from '../../../agent/core/prune-protection.ts';
import { samplePattern } from '../../fakes/resolutions.ts';
import { onNode } from './resolved-world.ts';

const nothing: PruneProtection = {
  containers: [],
  desired: new Set(),
  pulling: new Set(),
  infrastructure: new Set(),
  isKeptByRule: () => false,
  minimumAgeMs: 0,
  newest: new Set(),
  failed: new Set(),
};
const lastUse = { unusedForMs: 1, knownForMs: 1, lastUsedAt: 0, source: 'in_use' } as const;
const reasonFor = (tags: readonly string[], more: Partial<PruneProtection>) =>
  findProtection(onNode({ tags }), new Set(), lastUse, { ...nothing, ...more });

test('an image that a pattern could mean is kept as desired while nobody has resolved that', () => {
  const unresolved = [samplePattern({ repository: 'llm-*' })];
  expect(reasonFor(['harbor.example/ml/llm-a:1'], { unresolved })).toBe('desired');
  expect(reasonFor(['other.example/x:1', 'harbor.example/ml/llm-a:1'], { unresolved })).toBe('desired');
  for (const other of ['harbor.example/ml/other:1', 'harbor.example/ops/llm-a:1', 'other.example/ml/llm-a:1']) {
    expect(reasonFor([other], { unresolved })).toBeUndefined();
  }
  expect(reasonFor(['harbor.example/ml/llm-a:1'], {})).toBeUndefined();
});
