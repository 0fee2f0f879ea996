/** A node whose images were resolved by somebody else, and what it decides to pull. */

import type { ImageSet } from '../../../agent/core/configuration.ts';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { type PullPolicy, type PullWorld, planPulls } from '../../../agent/core/pull-planner.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import type { ResolvedImage } from '../../../agent/core/resolution.ts';
import { sampleResolutions, sampleView } from '../../fakes/resolutions.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

export const now = Date.parse('2026-11-21T12:00:00Z');
export const a = 'harbor.example/ml/a:1';
export const always = (more: Partial<ImageSet> = {}) => sampleSet('s', [a], { pullPolicy: 'Always', ...more });
export const refusal = { code: 'policy', detail: 'policy_blocked', message: 'its severity is Critical' } as const;

interface Given {
  readonly sets?: readonly ImageSet[];
  readonly published?: readonly ResolvedImage[];
  readonly images?: readonly RuntimeImage[];
  readonly policy?: Partial<PullPolicy>;
  readonly world?: Partial<PullWorld>;
}

export function decide({ sets = [always()], published = [], images = [], policy = {}, world = {} }: Given) {
  const { images: desired, unselected } = toDesired(sets, {}, sampleView(sampleResolutions(published)));
  return planPulls({
    now,
    desired,
    unselected,
    images,
    layers: { chainIds: new Set(), blobs: new Set() },
    filesystem: undefined,
    inFlight: new Map(),
    manifests: new Map(
      desired.map(({ reference }) => [reference, { kind: 'failed', failure: new Failure('network', 'no') }]),
    ),
    remoteDigests: new Map(),
    reclaimableBytes: 0,
    backoffs: new Map(),
    warmWaits: new Map(),
    dueSince: new Map(),
    policy: { ...toPullPolicy(sampleConfiguration(sets), standaloneNode('n1', {})), ...policy },
    ...world,
  });
}

export function onNode(more: Partial<RuntimeImage> = {}): RuntimeImage {
  const image = { id: 'sha256:id', tags: [a], digests: [], sizeBytes: 10, pinnedNames: [], pinnedByOthers: false };
  return { ...image, whole: true, ...more };
}
