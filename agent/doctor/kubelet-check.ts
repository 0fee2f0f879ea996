/** Whether the kubelet's own image collection and eviction come after ours. */

import type { PruneSettings } from '../core/configuration.ts';
import type { Tell } from '../core/doctor-report.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { type Watermark, watermarkRatio } from '../core/watermark.ts';
import type { HostFiles } from './host-files.ts';
import { type KubeletSettings, readKubeletSettings } from './kubelet-config.ts';

export interface KubeletCheckParts {
  readonly filesystem: ImageFilesystem | undefined;
  readonly prune: Pick<PruneSettings, 'enabled' | 'watermarks'>;
  /** Whether pins keep images from the kubelet's collection. */
  readonly canPin: boolean;
}

interface Limit {
  readonly name: string;
  readonly percentUsed: number;
}

const check = 'kubelet' as const;

export async function checkKubelet(files: HostFiles, parts: KubeletCheckParts, tell: Tell): Promise<void> {
  const settings = await readKubeletSettings(files);
  if (settings === undefined) {
    const message = 'neither a kubelet that runs nor its configuration was found at the usual places';
    tell({ check, level: 'not_checked', message });
    return;
  }
  checkThresholds(settings, parts, tell);
  checkAge(settings, parts.canPin, tell);
}

function checkThresholds(settings: KubeletSettings, { filesystem, prune }: KubeletCheckParts, tell: Tell): void {
  const { source: subject } = settings;
  const limits = toLimits(settings, filesystem);
  const words = limits.map(({ name, percentUsed }) => `${name} (${round(percentUsed)} % used)`).join(', ');
  if (!prune.enabled) {
    tell({ check, level: 'ok', subject, message: `pruning is off, so the kubelet alone makes room: ${words}` });
    return;
  }
  let isFine = true;
  for (const mark of ['high', 'critical'] as const) {
    const own = toPercent(prune.watermarks[mark], filesystem);
    if (own === undefined) {
      const message = `prune.watermarks.${mark} is free space, and the size of the image filesystem is not known`;
      tell({ check, level: 'not_checked', subject, message });
      return;
    }
    for (const { name, percentUsed } of limits) {
      if (own < percentUsed) continue;
      isFine = false;
      tell({
        check,
        level: mark === 'high' ? 'failure' : 'warning',
        subject,
        message: `prune.watermarks.${mark} (${round(own)} % used) is not below the kubelet's ${name} (${round(percentUsed)} % used): it acts first, and takes images that no container has used yet before all others`,
        advice: `set prune.watermarks.${mark} below ${round(percentUsed)}%, or raise the kubelet's threshold`,
      });
    }
  }
  if (isFine) tell({ check, level: 'ok', subject, message: `acts after prune.watermarks: ${words}` });
}

/** By age the kubelet counts an image that no container has used as unused since 1970 (Kubernetes 1.36). */
function checkAge({ source: subject, maximumAge }: KubeletSettings, canPin: boolean, tell: Tell): void {
  if (maximumAge === undefined) return;
  const message = `imageMaximumGCAge is ${maximumAge}: the kubelet then removes images that no container has used, what was prefetched first`;
  if (canPin) {
    tell({ check, level: 'ok', subject, message: `imageMaximumGCAge is ${maximumAge}; pinned images stay` });
  } else {
    const advice = 'set it to 0, or use a runtime with pins (containerd 1.7 or newer)';
    tell({ check, level: 'warning', subject, message, advice });
  }
}

function toLimits({ highPercent, evictionHard }: KubeletSettings, filesystem: ImageFilesystem | undefined): Limit[] {
  const eviction = evictionHard['imagefs.available'] ?? evictionHard['nodefs.available'];
  const evictionPercent = toUsedPercent(eviction, filesystem);
  return [
    { name: `imageGCHighThresholdPercent ${highPercent}`, percentUsed: highPercent },
    ...(evictionPercent === undefined
      ? []
      : [{ name: `eviction below ${eviction} available`, percentUsed: evictionPercent }]),
  ];
}

function toPercent(watermark: Watermark, filesystem: ImageFilesystem | undefined): number | undefined {
  if (watermark.kind === 'used') return watermark.ratio * 100;
  return filesystem === undefined ? undefined : watermarkRatio(filesystem, watermark) * 100;
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** `15%` or a Kubernetes quantity of free space, as percent used; undefined: none, or the size of the disk is not known. */
function toUsedPercent(available: string | undefined, filesystem: ImageFilesystem | undefined): number | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(available ?? '')?.[1];
  if (percent !== undefined) return Number(percent) === 0 ? undefined : 100 - Number(percent);
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kMGT]|[KMGT]i)?$/.exec(available ?? '') ?? [];
  const factor = units[unit];
  const isKnown = number !== undefined && factor !== undefined && filesystem !== undefined && filesystem.sizeBytes > 0;
  return isKnown && Number(number) > 0 ? 100 * (1 - (Number(number) * factor) / filesystem.sizeBytes) : undefined;
}

function round(percent: number): number {
  return Math.round(percent * 10) / 10;
}
