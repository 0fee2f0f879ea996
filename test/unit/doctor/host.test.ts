import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkContentStore } from '../../../agent/doctor/content-store-check.ts';
import { checkDecompressor } from '../../../agent/doctor/decompressor-check.ts';
import { checkHost } from '../../../agent/doctor/host-check.ts';
import { createHostFiles } from '../../../agent/doctor/host-files.ts';
import type { RuntimeInfo } from '../../../agent/runtime/runtime.ts';
import { samplePrune } from '../../fakes/samples.ts';
import { makeHost, tellOf } from './findings.ts';

const capabilities = { events: true, progress: true, resume: true, pin: true, alias: true, exactSizes: true };
const containerd: RuntimeInfo = {
  kind: 'containerd',
  name: 'containerd',
  version: '2.0.5',
  imageStore: 'containerd',
  snapshotter: 'overlayfs',
  imageRoot: '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs',
  capabilities,
};
const docker: RuntimeInfo = {
  ...containerd,
  kind: 'docker',
  name: 'docker',
  imageStore: 'graphdriver',
  imageRoot: '/var/lib/docker',
};

describe('files of the host', () => {
  test('links are followed below the root, as the host would', async () => {
    const root = await makeHost({ 'data/real.txt': 'here', 'etc/hostname': 'h' });
    await symlink('/data', join(root, 'link'));
    await symlink('../data/real.txt', join(root, 'etc/relative'));
    await symlink('/../../../../data/real.txt', join(root, 'etc/climbing'));
    await symlink('loop', join(root, 'loop'));
    const files = createHostFiles(root);
    expect(await files.read('/link/real.txt')).toBe('here');
    expect(await files.read('/etc/relative')).toBe('here');
    expect(await files.read('/etc/climbing')).toBe('here');
    expect(await files.read('/loop')).toBeUndefined();
    expect(await files.read('/etc')).toBeUndefined();
    expect(await files.list('/link')).toEqual(['real.txt']);
    expect(await files.list('/etc/hostname')).toBeUndefined();
    expect(await files.exists('/nowhere/at/all')).toBe(false);
  });

  test('a file that is too large to be what it should is refused', async () => {
    const files = createHostFiles(await makeHost({ 'etc/big': 'x'.repeat(1024 * 1024 + 1) }));
    await expect(files.read('/etc/big')).rejects.toThrow('/etc/big is larger');
  });
});

describe('the decompressor', () => {
  const check = async (info: RuntimeInfo, files: Record<string, string>) => {
    const host = createHostFiles(await makeHost(files));
    return (await tellOf((tell) => checkDecompressor(host, info, tell))).join();
  };

  test('containerd 2 takes igzip before unpigz, earlier ones and Docker only unpigz', async () => {
    const both = { 'usr/bin/igzip': '', 'usr/bin/unpigz': '' };
    expect(await check(containerd, both)).toMatch(/^ok decompressor: .* \/usr\/bin\/igzip/);
    expect(await check(containerd, { 'usr/bin/unpigz': '' })).toMatch(/^ok .*unpigz/);
    expect(await check({ ...containerd, version: '1.7.24' }, both)).toMatch(/^ok .*unpigz/);
    expect(await check({ ...containerd, version: '1.7.24' }, { 'usr/bin/igzip': '' })).toMatch(
      /^warning .*with unpigz,/,
    );
    expect(await check(docker, both)).toMatch(/^ok .*unpigz/);
    expect(await check(containerd, {})).toMatch(/^warning .*igzip or unpigz/);
    expect(await check({ ...containerd, kind: 'cri', name: 'cri-o' }, both)).toMatch(/^not_checked /);
  });
});

describe('the content store', () => {
  const check = async (mounts: string | undefined, path = '/var/lib/containerd') => {
    const host = createHostFiles(await makeHost(mounts === undefined ? {} : { 'proc/1/mounts': mounts }));
    return (await tellOf((tell) => checkContentStore(host, path, tell))).join();
  };
  const root = '/dev/sda1 / ext4 rw 0 0\n';

  test('on a disk of the node it is well, on a network filesystem it is not', async () => {
    expect(await check(root)).toBe('ok content_store /var/lib/containerd: lies on ext4');
    for (const type of ['nfs4', 'cifs', 'fuse.sshfs', 'ceph', 'glusterfs', '9p']) {
      expect(await check(`${root}server:/x /var/lib ${type} rw 0 0\n`)).toMatch(/^failure content_store .*network/);
    }
  });

  test('the longest mount point counts, the later of two on one, and a name that only begins alike does not', async () => {
    expect(await check(`${root}s:/x /var/lib nfs rw 0 0\n/dev/sdb /var/lib/containerd xfs rw 0 0\n`)).toMatch(
      /^ok .*xfs/,
    );
    expect(
      await check(`${root}s:/x /var/lib/containerd nfs rw 0 0\n/dev/b /var/lib/containerd btrfs rw 0 0\n`),
    ).toMatch(/btrfs/);
    expect(await check(`${root}s:/x /var/lib/container nfs rw 0 0\n`)).toMatch(/^ok .*ext4/);
    expect(await check(`${root}s:/x /mnt/my\\040disk nfs rw 0 0\n`, '/mnt/my disk/c')).toMatch(/^failure /);
  });

  test('without the mounts it is not checked', async () => {
    expect(await check(undefined)).toMatch(/^not_checked /);
    expect(await check('proc /proc proc rw 0 0\n')).toMatch(/^not_checked /);
  });
});

const allUnchecked = ['kubelet', 'containerd_config', 'registry_mirrors', 'decompressor', 'content_store'].map(
  (check) => `not_checked ${check}`,
);

describe('all checks of the host', () => {
  const prune = samplePrune();
  const run = (parts: Partial<Parameters<typeof checkHost>[0]>) =>
    tellOf((tell, signal) =>
      checkHost({ root: undefined, info: containerd, filesystem: undefined, prune, ...parts }, tell, signal),
    );

  test('without --host-root everything is not checked, each by its name', async () => {
    expect((await run({})).map((line) => line.split(':')[0])).toEqual(allUnchecked);
  });

  test('a folder that is no host is said, and not taken for a node without anything', async () => {
    const root = await makeHost();
    const elsewhere = join(root, 'mnt');
    await mkdir(elsewhere);
    const lines = await run({ root: elsewhere });
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/^not_checked .*is not the root of a host/);
  });

  test('one check that fails does not keep the others away', async () => {
    const root = await makeHost({
      'var/lib/kubelet/config.yaml': 'a: [',
      'etc/containerd/config.toml': '= 1',
      'usr/bin/igzip': '',
    });
    expect(await run({ root })).toEqual([
      expect.stringMatching(/^failure kubelet: \/var\/lib\/kubelet\/config\.yaml: /),
      expect.stringMatching(/^failure containerd_config: \/etc\/containerd\/config\.toml: /),
      expect.stringMatching(/^ok decompressor/),
    ]);
  });

  test('pins of containerd 1.6 do not keep the kubelet from collecting by age', async () => {
    const root = await makeHost({ 'var/lib/kubelet/config.yaml': 'imageMaximumGCAge: 24h' });
    const ageOf = async (version: string) =>
      (await run({ root, info: { ...containerd, version } })).find((line) => line.includes('imageMaximumGCAge'));
    expect(await ageOf('1.6.20')).toMatch(/^warning kubelet/);
    expect(await ageOf('1.7.24')).toMatch(/^ok kubelet/);
  });

  test('what depends on the runtime or the configuration is not checked without it', async () => {
    const root = await makeHost({ 'proc/1/mounts': '/dev/sda1 / ext4 rw 0 0\n' });
    const lines = await run({ root, info: undefined, prune: undefined });
    expect(lines.map((line) => line.split(':')[0])).toEqual(allUnchecked);
  });

  test("Docker reads none of containerd's files; with containerd's image store it reads hosts.toml files of its own", async () => {
    const root = await makeHost({
      'proc/1/mounts': 's:/x / nfs rw 0 0\n',
      'etc/docker/certs.d/h/hosts.toml': 'server = "https://h/v2/x"',
    });
    expect(await run({ root, info: docker })).toEqual([
      expect.stringMatching(/^not_checked kubelet/),
      "ok containerd_config: docker does not read containerd's configuration",
      'ok registry_mirrors: docker does not read hosts.toml files',
      expect.stringMatching(/^failure content_store \/var\/lib\/docker/),
      expect.stringMatching(/^warning decompressor/),
    ]);
    const mirrors = (await run({ root, info: { ...docker, imageStore: 'containerd' } })).filter((line) =>
      line.includes('registry_mirrors'),
    );
    expect(mirrors).toEqual([expect.stringMatching(/^failure registry_mirrors \/etc\/docker\/certs\.d\/h/)]);
  });
});
