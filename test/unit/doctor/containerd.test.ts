import { expect, test } from 'vitest';
import { checkConfigPath } from '../../../agent/doctor/containerd-check.ts';
import { parseVersion, readContainerdConfig } from '../../../agent/doctor/containerd-config.ts';
import { createHostFiles } from '../../../agent/doctor/host-files.ts';
import { commandLine, findingsOf, makeHost, toLine } from './findings.ts';

const main = 'etc/containerd/config.toml';
const version2 = `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n`;
const version3 = `version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n`;
const list = '/etc/containerd/certs.d:/etc/docker/certs.d';
const mirror = { 'etc/containerd/certs.d/docker.io/hosts.toml': 'server = "https://m.example"' };

async function check(version: string, files: Record<string, string>, imageRoot?: string) {
  const host = createHostFiles(await makeHost(files));
  const config = await readContainerdConfig(host, parseVersion(version), imageRoot);
  let folders: readonly string[] = [];
  const [finding, ...more] = await findingsOf(async (tell) => {
    folders = await checkConfigPath(config, version, host, tell);
  });
  expect(more).toEqual([]);
  return { line: finding === undefined ? '' : toLine(finding), advice: finding?.advice, folders, config };
}

test('without config_path no hosts.toml is used, up to 2.1', async () => {
  for (const version of ['1.6.20', '1.7.24', '2.0.5', 'v2.1.0']) {
    const { line, folders } = await check(version, mirror);
    expect([version, line, folders]).toEqual([
      version,
      `ok containerd_config /${main}: config_path is not set: no hosts.toml is used`,
      [],
    ]);
  }
});

test("config_path is read from every version's plugin", async () => {
  const path = 'config_path = "/etc/containerd/certs.d"';
  for (const [version, text] of [
    ['1.6.20', version2],
    ['2.1.0', version2],
    ['2.3.4', version3],
    ['1.6.20', `[plugins.cri.registry]\n`],
  ] as const) {
    const { line, folders } = await check(version, { ...mirror, [main]: text + path });
    expect([line, folders]).toEqual([
      `ok containerd_config /${main}: config_path is /etc/containerd/certs.d`,
      ['/etc/containerd/certs.d'],
    ]);
  }
});

test('a list is one folder for the transfer service, from 2.1 on: a failure where something is in it', async () => {
  const text = `${version3}config_path = "${list}"`;
  for (const version of ['2.1.0', '2.2.1', '2.3.4']) {
    const { line, advice } = await check(version, { ...mirror, [main]: text });
    expect(line).toMatch(/^failure containerd_config .*a list, which containerd \S+ takes for one folder/);
    expect(advice).toContain('config_path = "/etc/containerd/certs.d"');
  }
  expect((await check('2.3.4', { [main]: text })).line).toMatch(/^ok .*but there is none$/);
  expect((await check('2.0.5', { ...mirror, [main]: text })).line).toMatch(/^ok /);
  expect((await check('1.7.24', { ...mirror, [main]: version2 + `config_path = "${list}"` })).line).toMatch(/^ok /);
});

test("2.2's default is such a list, unless mirrors are set", async () => {
  expect((await check('2.2.0', mirror)).line).toMatch(/^failure .*config_path is not set, and so/);
  expect((await check('2.1.0', mirror)).line).toMatch(/^ok /);
  const mirrors = `${version3}[plugins."io.containerd.cri.v1.images".registry.mirrors."docker.io"]\nendpoint = ["https://m"]`;
  expect((await check('2.2.0', { ...mirror, [main]: mirrors })).line).toMatch(/^ok .*not set: no hosts\.toml/);
});

test('what the transfer service cannot do brings the local pull, which splits the list', async () => {
  const image = `version = 3\n[plugins."io.containerd.cri.v1.images"]\n`;
  for (const setting of [
    'use_local_image_pull = true',
    'discard_unpacked_layers = true',
    'disable_snapshot_annotations = false',
    'max_concurrent_downloads = 5',
    'image_pull_with_sync_fs = true',
  ]) {
    expect([setting, (await check('2.3.4', { ...mirror, [main]: image + setting })).line]).toEqual([
      setting,
      expect.stringMatching(/^ok /),
    ]);
  }
  for (const setting of ['max_concurrent_downloads = 3', 'disable_snapshot_annotations = true', 'snapshotter = "x"']) {
    expect((await check('2.3.4', { ...mirror, [main]: image + setting })).line).toMatch(/^failure /);
  }
  const old = `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndiscard_unpacked_layers = true`;
  expect((await check('2.3.4', { ...mirror, [main]: old })).line).toMatch(/^ok /);
});

test('imports count in their order, by name, by glob and relative to the file that has them', async () => {
  const files = {
    [main]: `version = 2\nimports = ["/etc/containerd/conf.d/*.toml", "more.toml"]\n`,
    'etc/containerd/conf.d/10.toml': `${version2}config_path = "/a"`,
    'etc/containerd/conf.d/20.toml': `${version2}config_path = "/b"`,
    'etc/containerd/conf.d/30.toml.bak': `${version2}config_path = "/c"`,
  };
  expect((await check('1.7.24', files)).line).toMatch(/config_path is \/b$/);
  const more = {
    'etc/containerd/more.toml': `imports = ["deep/last.toml"]`,
    'etc/containerd/deep/last.toml': `${version2}config_path = "/d"`,
  };
  expect((await check('1.7.24', { ...files, ...more })).line).toMatch(/config_path is \/d$/);
  const circle = { [main]: `imports = ["/${main}", "/etc/nowhere.toml"]` };
  expect((await check('1.7.24', circle)).line).toMatch(/^ok /);
});

test('until 2.1 an import replaces what is said of a plugin as a whole, later key by key', async () => {
  const files = (text: string, plugin: string) => ({
    [main]: `imports = ["/etc/c.toml"]\n${text}config_path = "/a"`,
    'etc/c.toml': `[plugins."${plugin}"]\nsandbox_image = "p"`,
  });
  expect((await check('1.7.24', files(version2, 'io.containerd.grpc.v1.cri'))).line).toMatch(/is not set: no hosts/);
  expect((await check('2.2.0', files(version3, 'io.containerd.cri.v1.images'))).line).toMatch(/config_path is \/a$/);
});

test('the file is the one that the containerd that runs was given, or where its distribution keeps it', async () => {
  const text = `${version2}config_path = "/own"`;
  const running = { 'proc/9/cmdline': commandLine('/usr/bin/containerd', '-c', '/opt/c.toml'), 'opt/c.toml': text };
  expect((await check('1.7.24', running)).line).toBe('ok containerd_config /opt/c.toml: config_path is /own');
  const docker = { 'proc/8/cmdline': commandLine('containerd', '--config', '/var/run/docker/c.toml'), [main]: text };
  expect((await check('1.7.24', { ...running, ...docker })).line).toContain(`/${main}: `);
  const k3s = 'var/lib/rancher/k3s/agent/etc/containerd/config.toml';
  const root = '/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs';
  const found = await check('2.1.5', { [k3s]: text }, root);
  expect(found.line).toBe(`ok containerd_config /${k3s}: config_path is /own`);
  expect(found.config.root).toBe('/var/lib/rancher/k3s/agent/containerd');
});

test('the root is what the runtime says, else what the configuration says', async () => {
  expect((await check('1.7.24', {})).config.root).toBe('/var/lib/containerd');
  expect((await check('1.7.24', { [main]: 'root = "/data/c"' })).config.root).toBe('/data/c');
});

test('a file that is not TOML is named', async () => {
  await expect(check('1.7.24', { [main]: '= 1' })).rejects.toThrow(`/${main}: `);
});
