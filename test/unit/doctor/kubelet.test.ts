import { expect, test } from 'vitest';
import type { ImageFilesystem } from '../../../agent/core/node-images.ts';
import { createHostFiles } from '../../../agent/doctor/host-files.ts';
import { checkKubelet, type KubeletCheckParts } from '../../../agent/doctor/kubelet-check.ts';
import { samplePrune } from '../../fakes/samples.ts';
import { commandLine, findingsOf, makeHost, tellOf } from './findings.ts';

const gibibyte = 2 ** 30;
const filesystem: ImageFilesystem = {
  mountpoint: '/',
  sizeBytes: 100 * gibibyte,
  availBytes: 50 * gibibyte,
  files: 0,
  filesFree: 0,
};
/** high 75, critical 82 */
const parts: KubeletCheckParts = { filesystem, prune: samplePrune(), canPin: true };

async function check(files: Record<string, string>, more: Partial<KubeletCheckParts> = {}): Promise<string[]> {
  const host = createHostFiles(await makeHost(files));
  return tellOf((tell) => checkKubelet(host, { ...parts, ...more }, tell));
}

const kubeadm = 'var/lib/kubelet/config.yaml';
const fine =
  'the kubelet acts after prune.watermarks: imageGCHighThresholdPercent 85 (85 % used), eviction below 15% available (85 % used)'.replace(
    'the kubelet ',
    '',
  );

test("the kubelet's defaults come after ours", async () => {
  expect(await check({ [kubeadm]: 'kind: KubeletConfiguration\n' })).toEqual([`ok kubelet /${kubeadm}: ${fine}`]);
});

test('a kubelet that collects images at or before our high or critical watermark is told, with the number to set', async () => {
  const host = createHostFiles(await makeHost({ [kubeadm]: 'imageGCHighThresholdPercent: 75\n' }));
  const found = await findingsOf((tell) => checkKubelet(host, parts, tell));
  expect(found.map(({ level, advice }) => [level, advice])).toEqual([
    ['failure', "set prune.watermarks.high below 75%, or raise the kubelet's threshold"],
    ['warning', "set prune.watermarks.critical below 75%, or raise the kubelet's threshold"],
  ]);
});

test('hard eviction counts too, as a share and as bytes of free space', async () => {
  expect(await check({ [kubeadm]: 'evictionHard: { imagefs.available: 20% }' })).toEqual([
    expect.stringMatching(/^warning .*watermarks\.critical \(82 % used\) .*eviction below 20% available \(80 % used\)/),
  ]);
  expect(await check({ [kubeadm]: 'evictionHard: { imagefs.available: 30Gi }' })).toEqual([
    expect.stringMatching(/^failure .*eviction below 30Gi available \(70 % used\)/),
    expect.stringMatching(/^warning /),
  ]);
  expect(await check({ [kubeadm]: 'evictionHard: { nodefs.available: 20% }' })).toEqual([
    expect.stringMatching(/^warning .*critical/),
  ]);
});

test('what evictionHard says replaces the defaults, unless they are to be merged', async () => {
  const only = await check({ [kubeadm]: 'evictionHard: { memory.available: 1Gi }' });
  expect(only).toEqual([expect.not.stringContaining('eviction')]);
  const merged = await check({
    [kubeadm]: 'mergeDefaultEvictionSettings: true\nevictionHard: { memory.available: 1Gi }',
  });
  expect(merged).toEqual([expect.stringContaining('eviction below 15% available')]);
});

test('the files and flags of the kubelet that runs win over the usual places, drop-ins over the file, flags over both', async () => {
  const files = {
    'proc/1/cmdline': commandLine('/sbin/init'),
    'proc/77/cmdline': commandLine('/usr/bin/kubelet', '--config=/etc/k/main.yaml', '--config-dir', '/etc/k/more'),
    [kubeadm]: 'imageGCHighThresholdPercent: 10',
    'etc/k/main.yaml': 'imageGCHighThresholdPercent: 70',
  };
  expect(await check(files)).toEqual([
    expect.stringMatching(/^failure kubelet \/etc\/k\/main\.yaml: .* 70/),
    expect.stringMatching(/^warning /),
  ]);
  const dropIns = {
    'etc/k/more/10.conf': 'imageGCHighThresholdPercent: 60',
    'etc/k/more/20.conf': 'imageGCHighThresholdPercent: 90',
    'etc/k/more/30.conf.bak': 'imageGCHighThresholdPercent: 20',
  };
  expect(await check({ ...files, ...dropIns })).toEqual([
    expect.stringMatching(/^ok kubelet \/etc\/k\/main\.yaml and 2 more: .*ThresholdPercent 90/),
  ]);
  const flags = {
    'proc/77/cmdline': commandLine(
      'kubelet',
      '--config',
      '/etc/k/main.yaml',
      '--image-gc-high-threshold',
      '95',
      '--eviction-hard=imagefs.available<5%',
    ),
  };
  expect(await check({ ...files, ...flags })).toEqual([
    'ok kubelet /etc/k/main.yaml: acts after prune.watermarks: imageGCHighThresholdPercent 95 (95 % used), eviction below 5% available (95 % used)',
  ]);
});

test('drop-ins alone are a configuration: k3s', async () => {
  const file = 'var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf';
  expect(await check({ [file]: 'kind: KubeletConfiguration' })).toEqual([
    expect.stringContaining(`ok kubelet /${file}:`),
  ]);
});

test('imageMaximumGCAge takes what was prefetched first, unless the runtime has pins', async () => {
  const files = { [kubeadm]: 'imageMaximumGCAge: 168h0m0s' };
  expect(await check(files, { canPin: false })).toEqual([
    expect.stringMatching(/^ok /),
    expect.stringMatching(/^warning kubelet .*imageMaximumGCAge is 168h0m0s/),
  ]);
  expect(await check(files)).toEqual([
    expect.stringMatching(/^ok /),
    expect.stringMatching(/^ok .*pinned images stay/),
  ]);
  expect(await check({ [kubeadm]: 'imageMaximumGCAge: 0s' }, { canPin: false })).toHaveLength(1);
});

test('without pruning there is nothing to compare', async () => {
  const files = { [kubeadm]: 'imageGCHighThresholdPercent: 50' };
  expect(await check(files, { prune: samplePrune({ enabled: false }) })).toEqual([
    expect.stringMatching(/^ok kubelet .*pruning is off/),
  ]);
});

test('watermarks in bytes need the size of the disk', async () => {
  const free = (gib: number) => ({ kind: 'free' as const, bytes: gib * gibibyte });
  const prune = samplePrune({ watermarks: { low: free(40), high: free(10), critical: free(5) } });
  expect(await check({ [kubeadm]: '{}' }, { prune })).toEqual([
    expect.stringMatching(/^failure kubelet .*high \(90 % used\)/),
    expect.stringMatching(/^failure kubelet .*high \(90 % used\)/),
    expect.stringMatching(/^warning .*critical/),
    expect.stringMatching(/^warning .*critical/),
  ]);
  expect(await check({ [kubeadm]: '{}' }, { prune, filesystem: undefined })).toEqual([
    expect.stringMatching(/^not_checked kubelet .*size of the image filesystem is not known/),
  ]);
});

test('no kubelet is not checked, and one whose file is broken is said with the file', async () => {
  expect(await check({})).toEqual([expect.stringMatching(/^not_checked kubelet: neither a kubelet/)]);
  await expect(check({ [kubeadm]: 'a: [' })).rejects.toThrow(`/${kubeadm}: `);
});
