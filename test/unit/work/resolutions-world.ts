/** A node's resolutions in fake time: who leads, what is published, and what the node finds out for itself. */

import type { ResolvedConfigMap } from '../../../agent/cluster/cluster.ts';
import type { Configuration } from '../../../agent/core/configuration.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions, type Resolutions } from '../../../agent/core/resolution.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { resolvedKey, toResolvedTexts } from '../../../agent/core/resolved-document.ts';
import { type Leadership, NodeResolutions } from '../../../agent/work/node-resolutions.ts';
import { sampleDigest, samplePattern, sampleResolutions, sampleResolved } from '../../fakes/resolutions.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

export const minuteMs = 60_000;
/** Of the configuration. */
export const intervalMs = 30 * minuteMs;

/** The node's set asks for `tag` and for a pattern whose member is `member`; `foreign` is for other nodes. */
export const tag = 'harbor.example/ml/app:1';
export const member = 'harbor.example/ml/llm:v2';
export const foreign = 'harbor.example/ml/other:1';
export const pattern = samplePattern();

/** With digests of these digits. */
export function resolutionsOf(digits: Readonly<Record<string, string>>): Resolutions {
  const images = Object.entries(digits).map(([reference, digit]) =>
    sampleResolved(reference, { digest: sampleDigest(digit) }),
  );
  return sampleResolutions(images, [[pattern, { members: [member] }]]);
}

export const published = resolutionsOf({ [tag]: 'a', [member]: 'b', [foreign]: 'c' });

export function toConfigMaps(resolutions: Resolutions): ResolvedConfigMap[] {
  const { texts } = toResolvedTexts(resolutions);
  return resolvedConfigMaps.map((name, shard) => ({
    name,
    resourceVersion: '1',
    data: { [resolvedKey]: texts[shard] ?? '' },
  }));
}

export function sampleNodeConfiguration(more: Partial<Configuration> = {}): Configuration {
  return { ...sampleConfiguration([sampleSet('s', [tag], { patterns: [pattern] })]), ...more };
}

export class ResolutionsWorld {
  leadership: Leadership = { state: 'led', resolvedAt: Date.now() };
  /** What the node finds out for itself; undefined: it fails. */
  own: Resolutions | undefined = noResolutions;
  rounds = 0;
  readonly told: Resolutions[] = [];
  ledChanges = 0;
  recordedAt: number | undefined;
  readonly #stop = new AbortController();

  create(random = 0): NodeResolutions {
    return new NodeResolutions({
      leadership: () => this.leadership,
      resolve: async () => {
        this.rounds += 1;
        if (this.own === undefined) throw new Error('no Harbor');
        return this.own;
      },
      onChange: (resolutions) => this.told.push(resolutions),
      onLeadership: () => {
        this.ledChanges += 1;
      },
      recorder: {
        resolvedAt: (at) => {
          this.recordedAt = at;
        },
      },
      log: silentLogger,
      random: () => random,
    });
  }

  /** In force on a node with a configuration and labels, whose loop runs. */
  start(random?: number, more: Partial<Configuration> = {}): NodeResolutions {
    const node = this.create(random);
    node.setConfiguration(sampleNodeConfiguration(more));
    node.setLabels({});
    void node.run(this.#stop.signal);
    return node;
  }

  stop(): void {
    this.#stop.abort();
  }
}

export function digestOf(node: NodeResolutions, reference = tag): string | undefined {
  return node.resolutions.images.get(reference)?.digest;
}
