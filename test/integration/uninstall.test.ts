/** `stevedore uninstall` on real daemons: after an agent with pins and an aborted pull, nothing of it is left. */

import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { type AgentFolder, agentFolder, type RunningAgent, startAgent, stevedore, until } from './running-agent.ts';

const megabyte = 1e6;
const tie = 'containerd.io/gc.ref.content.stevedore.0';
const guard = `removal.stevedore.invalid/image:${'0'.repeat(32)}`;

let registry: TestRegistry;
let folder: Folder;
let files: AgentFolder;
let agent: RunningAgent | undefined;

beforeEach(async () => {
  registry = await startRegistry();
  folder = await makeFolder('stv-u');
  files = agentFolder(folder.path);
  await files.setLabels('zone=a');
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  await folder?.remove();
  await registry?.remove();
});

/** One image that is whole, whose reference it returns, and one whose pull was aborted when the agent was stopped. */
async function workAndStop(kind: string, options: readonly string[]): Promise<string> {
  const push = (name: string, layer: ReturnType<typeof buildLayer>) =>
    registry.push(`team/${name}`, 'v1', buildImage({ layers: [layer] }));
  const big = buildLayer({ seed: `uninstall ${kind} partial`, sizeBytes: 8 * megabyte });
  const { reference: whole } = await push(
    'whole',
    buildLayer({ seed: `uninstall ${kind} whole`, sizeBytes: megabyte }),
  );
  const { reference: partial } = await push('partial', big);
  const config = (images: readonly string[]): string =>
    `registries: [{ host: "${registry.host}", plainHTTP: true }]\nimageSets: [{ name: s, images: ${JSON.stringify(images)} }]\n`;
  await files.setConfig(config([whole]));
  agent = await startAgent(options);
  const { metric } = agent;
  await until('the first image', async () => (await metric('image_pulls_total')) === 1);
  if (kind === 'containerd') await until('its pin', async () => (await metric('images_pinned')) === 1);
  // It never ends by itself, however slow this machine is.
  registry.faults.hangBlobAfterBytes = 4 * megabyte;
  await files.setConfig(config([whole, partial]));
  await until('bytes of the second', () => registry.bytesOf(big.digest) > 3 * megabyte);
  const refused = await stevedore(['uninstall', ...options]);
  expect(refused).toMatchObject({ code: 4, stdout: '' });
  expect(refused.stderr).toMatch(/in use by another stevedore process: stop it first/);
  expect(await agent.stop()).toBe(0);
  return whole;
}

async function uninstall(options: readonly string[]): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await stevedore(['uninstall', '--json', ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly kind: string; readonly step?: string; readonly count?: number });
  return Object.fromEntries(
    events.flatMap(({ kind, step, count = 0 }) => (kind === 'done_step' ? [[step ?? '', count]] : [])),
  );
}

describeWith([...needs.containerd, ...needs.registry], 'uninstall on containerd', () => {
  let containerd: Containerd;
  beforeAll(async () => {
    containerd = await startContainerd();
  });
  afterAll(() => containerd?.remove());

  const leases = async (): Promise<string[]> =>
    (await containerd.ctr('leases', 'ls', '-q')).split('\n').filter((id) => id !== '');

  test('pins, leases with what they held, ties and state are gone; images and what others left stay', async () => {
    const options = files.options({ kind: 'containerd', endpoint: containerd.endpoint });
    const whole = await workAndStop('containerd', options);
    await containerd.ctr('leases', 'create', '--id', 'somebody');
    const rows = (await containerd.ctr('snapshots', 'ls')).split('\n').slice(1);
    const snapshot = rows.map((row) => row.split(/\s+/)[0] ?? '').find((key) => key.startsWith('sha256:')) ?? '';
    await containerd.ctr('snapshots', 'label', snapshot, `${tie}=sha256:${'0'.repeat(64)}`, 'theirs=kept');
    expect(await containerd.ctr('images', 'ls')).toContain('stevedore.dev/pinned=true');
    expect((await leases()).some((id) => id.startsWith('stevedore-'))).toBe(true);
    expect(await containerd.ctr('content', 'active')).toContain('layer-sha256:');
    expect(await readdir(files.stateDir)).toContain('ledger.json');

    const taken = await uninstall(options);
    expect(taken).toMatchObject({ removals: 0, pins: 1, leases: 1, ties: 1, guards: 0 });
    expect(taken['state']).toBeGreaterThan(1);

    const images = await containerd.ctr('images', 'ls');
    expect(images).toContain(whole);
    expect(images).not.toContain('stevedore.dev/');
    expect(images.split('\n').find((row) => row.startsWith(whole))).not.toContain('pinned');
    expect(await leases()).toEqual(['somebody']);
    await until('no download is left', async () => !(await containerd.ctr('content', 'active')).includes('sha256:'));
    const info = await containerd.ctr('snapshots', 'info', snapshot);
    expect(info).not.toContain('stevedore');
    expect(info).toContain('"theirs": "kept"');
    await expect(readdir(files.stateDir)).rejects.toThrow(/ENOENT/);

    expect(Object.values(await uninstall(options)).every((count) => count === 0)).toBe(true);
  });
});

describeWith([...needs.dockerd, ...needs.registry], 'uninstall on docker', () => {
  let dockerd: Dockerd;
  beforeAll(async () => {
    dockerd = await startDockerd();
  });
  afterAll(() => dockerd?.remove());

  test('guards and state are gone; images stay', async () => {
    const options = files.options({ kind: 'docker', endpoint: dockerd.endpoint });
    const whole = await workAndStop('docker', options);
    await dockerd.docker('tag', whole, guard);

    expect(await uninstall(options)).toMatchObject({ removals: 0, pins: 0, leases: 0, guards: 1 });

    const names = await dockerd.docker('images', '--format', '{{.Repository}}:{{.Tag}}');
    expect(names).toContain(whole);
    expect(names).not.toContain('stevedore');
    await expect(readdir(files.stateDir)).rejects.toThrow(/ENOENT/);

    expect(Object.values(await uninstall(options)).every((count) => count === 0)).toBe(true);
  });

  test('a runtime that does not answer: all else is done, and the exit code says so', async () => {
    const options = files.options({ kind: 'docker', endpoint: 'unix:///nowhere/docker.sock' });
    await files.setConfig('imageSets: []\n');
    agent = await startAgent(options);
    await agent.stop();
    const { code, stdout } = await stevedore(['uninstall', ...options]);
    expect(stdout).toMatch(/runtime: failed: /);
    expect(code).toBe(3);
    await expect(readdir(files.stateDir)).rejects.toThrow(/ENOENT/);
  });
});
