/** Whether the kubelet's own image collection and eviction come after ours. Pure but for the files. */

import { parse } from 'yaml';
import type { Tell } from '../core/doctor-report.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { type Watermark, watermarkRatio } from '../core/watermark.ts';
import type { HostFiles } from './host-files.ts';

/** Where kubeadm, EKS, k3s and RKE2 keep it. */
const configFiles = [
  '/var/lib/kubelet/config.yaml',
  '/etc/kubernetes/kubelet/kubelet-config.json',
  '/etc/kubernetes/kubelet/config.json',
  '/etc/kubernetes/kubelet.conf.yaml',
  '/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf',
  '/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf',
];

/** KubeletConfiguration v1beta1's defaults. */
const defaultHighPercent = 85;
const defaultEviction: Readonly<Record<string, string>> = {
  'nodefs.available': '10%',
  'imagefs.available': '15%',
};

export interface KubeletThresholds {
  /** Percent used at which the image collection begins. */
  readonly highPercent: number;
  /** By signal: `imagefs.available` to `15%` or `10Gi`. */
  readonly evictionHard: Readonly<Record<string, string>>;
}

export function parseKubeletConfig(text: string): KubeletThresholds | undefined {
  const document: unknown = parse(text);
  if (typeof document !== 'object' || document === null) return undefined;
  const { imageGCHighThresholdPercent: high, evictionHard } = document as Readonly<Record<string, unknown>>;
  const written =
    typeof evictionHard === 'object' && evictionHard !== null
      ? Object.fromEntries(
          Object.entries(evictionHard).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
        )
      : undefined;
  return {
    highPercent: typeof high === 'number' ? high : defaultHighPercent,
    // What is written replaces the defaults as a whole.
    evictionHard: written ?? defaultEviction,
  };
}

export async function checkKubelet(
  files: HostFiles,
  filesystem: ImageFilesystem | undefined,
  watermarks: Readonly<Record<'high' | 'critical', Watermark>>,
  tell: Tell,
): Promise<void> {
  const found = await findConfig(files);
  if (found === undefined) {
    const message = `the kubelet's configuration is not at ${configFiles[0]} nor at the other usual places`;
    tell({ check: 'kubelet', level: 'not_checked', message });
    return;
  }
  const { path, thresholds } = found;
  const { highPercent, evictionHard } = thresholds;
  const eviction = evictionHard['imagefs.available'] ?? evictionHard['nodefs.available'];
  const evictionPercent = toUsedPercent(eviction, filesystem);
  const limits = [
    { name: `imageGCHighThresholdPercent ${highPercent}`, percent: highPercent },
    ...(evictionPercent === undefined ? [] : [{ name: `eviction at ${eviction} available`, percent: evictionPercent }]),
  ];
  let isFine = true;
  for (const level of ['high', 'critical'] as const) {
    const own = toPercent(watermarks[level], filesystem);
    if (own === undefined) {
      tell({
        check: 'kubelet',
        level: 'not_checked',
        subject: path,
        message: `prune.watermarks.${level} is free space, and the size of the image filesystem is not known`,
      });
      return;
    }
    for (const { name, percent } of limits) {
      if (own < percent) continue;
      isFine = false;
      tell({
        check: 'kubelet',
        level: level === 'high' ? 'failure' : 'warning',
        subject: path,
        message: `prune.watermarks.${level} (${round(own)} % used) is not below the kubelet's ${name}: it acts first, and blindly`,
        advice: `set prune.watermarks.${level} below ${percent}%, or raise the kubelet's threshold`,
      });
    }
  }
  if (isFine) {
    const message = `the kubelet acts later: ${limits.map(({ name, percent }) => `${name} (${round(percent)} % used)`).join(', ')}`;
    tell({ check: 'kubelet', level: 'ok', subject: path, message });
  }
}

async function findConfig(files: HostFiles) {
  for (const path of configFiles) {
    const text = await files.read(path);
    if (text === undefined) continue;
    const thresholds = parseKubeletConfig(text);
    if (thresholds !== undefined) return { path, thresholds };
  }
  return undefined;
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

/** `15%` or a Kubernetes quantity of free space, as percent used. */
function toUsedPercent(available: string | undefined, filesystem: ImageFilesystem | undefined): number | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(available ?? '')?.[1];
  if (percent !== undefined) return 100 - Number(percent);
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kMGT]i?|Ki)?$/.exec(available ?? '') ?? [];
  const factor = units[unit];
  if (number === undefined || factor === undefined || filesystem === undefined || filesystem.sizeBytes <= 0)
    return undefined;
  return 100 * (1 - (Number(number) * factor) / filesystem.sizeBytes);
}

function round(percent: number): number {
  return Math.round(percent * 10) / 10;
}
