/** What a configuration may say, and probably does not mean. */

import type { Configuration, PruneSettings } from '../core/configuration.ts';
import type { MistakePath } from '../core/mistake.ts';
import { matchesEverything } from '../core/reference-glob.ts';
import { formatPercentage } from '../core/units.ts';

export interface Warning {
  readonly path: MistakePath;
  readonly rule: string;
}

/** `imageGCHighThresholdPercent` of the kubelet's configuration, and what `imagefs.available<15%` of its evictions comes to. */
const kubeletDefaultRatio = 0.85;

export function findWarnings(configuration: Configuration): readonly Warning[] {
  const { prune } = configuration;
  return [...harborWarnings(configuration), ...keepWarnings(prune), ...watermarkWarnings(prune), ...ageWarnings(prune)];
}

function harborWarnings({ registries, coordinator, warm }: Configuration): readonly Warning[] {
  const warnings: Warning[] = [];
  const hub = registries.findIndex(({ host, harbor }) => harbor && host === 'docker.io');
  if (hub >= 0) warnings.push({ path: ['registries', hub, 'harbor'], rule: 'Docker Hub is no Harbor' });
  const hasHarbor = registries.some(({ harbor }) => harbor);
  const why = !coordinator.enabled ? 'while coordinator.enabled is false' : 'without a registry with harbor: true';
  if (coordinator.keepAlive && !(coordinator.enabled && hasHarbor)) {
    warnings.push({ path: ['coordinator', 'keepAlive'], rule: `has no effect ${why}` });
  }
  if (warm.maxPerMinute !== undefined && !(warm.enabled && coordinator.enabled && hasHarbor)) {
    const rule = `has no effect ${warm.enabled ? why : 'while warm.enabled is false'}`;
    warnings.push({ path: ['warm', 'maxPerMinute'], rule });
  }
  return warnings;
}

function keepWarnings({ keep }: PruneSettings): readonly Warning[] {
  return keep.flatMap((rule, index) =>
    rule.kind === 'glob' && matchesEverything(rule.glob)
      ? [
          {
            path: ['prune', 'keep', index],
            rule: 'matches every image that has a name, so that hardly anything is pruned',
          },
        ]
      : [],
  );
}

/** The lowest that is too high says it for those above. */
function watermarkWarnings({ watermarks }: PruneSettings): readonly Warning[] {
  const level = (['low', 'high', 'critical'] as const).find((one) => {
    const watermark = watermarks[one];
    return watermark.kind === 'used' && watermark.ratio >= kubeletDefaultRatio;
  });
  if (level === undefined) return [];
  const limit = formatPercentage(kubeletDefaultRatio);
  const rule = `is not below ${limit}, where the kubelet begins to remove images unless it is told otherwise: it will come first`;
  return [{ path: ['prune', 'watermarks', level], rule }];
}

const leftoverPaths: Readonly<Record<keyof PruneSettings['leftovers'], MistakePath>> = {
  stopped_container: ['docker', 'stoppedContainers'],
  build_cache: ['docker', 'buildCache'],
  network: ['docker', 'networks'],
  volume: ['docker', 'volumes'],
  ingest: ['containerd', 'ingests'],
  snapshot: ['containerd', 'snapshots'],
  lease: ['containerd', 'leases'],
};

function ageWarnings({ unusedForMs, leftovers }: PruneSettings): readonly Warning[] {
  const warnings: Warning[] = [];
  if (unusedForMs === 0) {
    const rule = 'each run removes every image that is not in use and that nothing else holds';
    warnings.push({ path: ['prune', 'unusedFor'], rule });
  }
  for (const kind of Object.keys(leftoverPaths) as (keyof typeof leftoverPaths)[]) {
    if (!leftovers[kind].enabled || leftovers[kind].unusedForMs > 0) continue;
    const rule = 'removes at once what is only for a moment out of use';
    warnings.push({ path: ['prune', ...leftoverPaths[kind], 'unusedFor'], rule });
  }
  return warnings;
}
