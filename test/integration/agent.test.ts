/** The agent's main job on real daemons: a private containerd and a private dockerd, with a real registry. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { runTool } from '../harness/process.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { type AgentFolder, agentFolder, type RunningAgent, startAgent, stevedore, until } from './running-agent.ts';

const megabyte = 1e6;
const base = buildLayer({ seed: 'agent base', sizeBytes: 4 * megabyte });
const sample = (seed: string, megabytes = 4) =>
  buildImage({ layers: [base, buildLayer({ seed: `agent ${seed}`, sizeBytes: megabytes * megabyte })] });

for (const kind of ['containerd', 'docker'] as const) {
  const daemonNeeds = kind === 'docker' ? needs.dockerd : needs.containerd;
  describeWith([...daemonNeeds, ...needs.registry], `on ${kind}`, () => suite(kind));
}

function suite(kind: 'containerd' | 'docker'): void {
  let daemon: Containerd | Dockerd;
  let registry: TestRegistry;
  let folder: Folder;
  let files: AgentFolder;
  let agent: RunningAgent | undefined;
  let options: string[];
  let tagCount = 0;

  beforeAll(async () => {
    registry = await startRegistry();
    daemon = kind === 'docker' ? await startDockerd() : await startContainerd();
  });

  afterAll(async () => {
    await daemon?.remove();
    await registry?.remove();
  });

  beforeEach(async () => {
    folder = await makeFolder('stv-i');
    files = agentFolder(folder.path);
    options = files.options({ kind, endpoint: daemon.endpoint });
    await files.setLabels('zone=a');
  });

  afterEach(async () => {
    await agent?.stop();
    agent = undefined;
    registry.faults.bytesPerSecond = undefined;
    registry.faults.status = undefined;
    await folder.remove();
  });

  /** Another repository for every test, with bytes of its own. */
  async function push(megabytes = 4): Promise<string> {
    tagCount += 1;
    return (await registry.push(`team/image-${tagCount}`, 'v1', sample(`${kind} ${tagCount}`, megabytes))).reference;
  }

  function config(sets: Record<string, { images: string[]; label?: string; more?: string }>, more = ''): string {
    const written = Object.entries(sets).map(([name, set]) => {
      const selector = set.label === undefined ? '' : `\n    nodeSelector: { matchLabels: { ${set.label} } }`;
      return `\n  - name: ${name}${selector}${set.more ?? ''}\n    images: ${JSON.stringify(set.images)}`;
    });
    return `registries: [{ host: "${registry.host}", plainHTTP: true }]\nimageSets:${written.join('')}\n${more}`;
  }

  /** As the runtime's own client lists them. */
  async function held(): Promise<string[]> {
    const listed =
      'docker' in daemon
        ? await daemon.docker('images', '--format', '{{.Repository}}:{{.Tag}}')
        : await daemon.ctr('images', 'ls', '-q');
    return listed.split('\n').filter((name) => name.startsWith(registry.host) && !name.includes('@'));
  }

  async function removeBehindItsBack(reference: string): Promise<void> {
    if ('docker' in daemon) await daemon.docker('rmi', reference);
    else {
      const names = (await daemon.ctr('images', 'ls', '-q')).split('\n');
      const repository = reference.slice(0, reference.lastIndexOf(':'));
      const own = names.filter((name) => name === reference || name.startsWith(`${repository}@`));
      await daemon.ctr('images', 'rm', '--sync', ...own);
    }
  }

  async function leases(): Promise<string[]> {
    if ('docker' in daemon) return [];
    return (await daemon.ctr('leases', 'ls', '-q')).split('\n').filter((lease) => lease.startsWith('stevedore-'));
  }

  test('a node holds what its labels ask for, becomes ready, and follows its labels and its configuration', async () => {
    const [one, two, three] = [await push(), await push(), await push()];
    await files.setConfig(config({ all: { images: [one] }, gpu: { images: [two], label: 'gpu: "yes"' } }));
    agent = await startAgent(options);
    const { url, metric } = agent;
    await until('ready', async () => (await fetch(`${url}/readyz`)).ok);
    await until('the first image', async () => (await held()).includes(one));
    expect(await held()).not.toContain(two);
    await files.setLabels('gpu=yes');
    await until('the second image', async () => (await held()).includes(two));
    await files.setConfig(config({ all: { images: [one, three] }, gpu: { images: [two], label: 'gpu: "yes"' } }));
    await until('the third image', async () => (await held()).includes(three));
    await until('three pulls', async () => (await metric('image_pulls_total')) === 3);
    expect(await metric('image_pull_bytes_total')).toBeGreaterThan(12 * megabyte);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const plan = await (await fetch(`${url}/v1/plan`)).json();
    expect(plan).toMatchObject({ version: 1, node: { labels: { gpu: 'yes' } } });
    expect(await leases()).toEqual([]);
    expect(await agent.stop()).toBe(0);
  });

  test('a pull that is no longer desired stops within a second, and what is wanted instead starts', async () => {
    const [big, other] = [await push(40), await push()];
    registry.faults.bytesPerSecond = 2 * megabyte;
    await files.setConfig(config({ s: { images: [big] } }));
    agent = await startAgent(options);
    const { log } = agent;
    await until('the pull', () => log.some(({ message }) => message === 'pull started'));
    await sleep(500);
    await files.setConfig(config({ s: { images: [other] } }));
    await until('the abort', () => log.some(({ message }) => message === 'pull aborted'), 1_000);
    await until(
      'the other pull',
      () => log.some(({ message, image }) => message === 'pull started' && image === other),
      2_000,
    );
    registry.faults.bytesPerSecond = undefined;
    await until('the other image', async () => (await held()).includes(other));
    expect(await held()).not.toContain(big);
    await until('no lease left', async () => (await leases()).length === 0);
  });

  test('an invalid edit keeps the last good configuration and says so', async () => {
    const [one, two] = [await push(), await push()];
    await files.setConfig(config({ s: { images: [one] } }));
    agent = await startAgent(options);
    await until('the first image', async () => (await held()).includes(one));
    await files.setConfig(config({ s: { images: ['Not//valid'] } }));
    const { metric, url } = agent;
    await until('the refusal', async () => (await metric('config_last_reload_successful')) === 0);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    await removeBehindItsBack(one);
    await until('the first image again', async () => (await held()).includes(one));
    expect(await metric('prefetched_images_lost_total')).toBe(1);
    await files.setConfig(config({ s: { images: [one, two] } }));
    await until('the second image', async () => (await held()).includes(two));
    expect(await metric('config_last_reload_successful')).toBe(1);
  });

  test('without a valid configuration it stays up and not ready, and goes to work when there is one', async () => {
    const one = await push();
    await files.setConfig('imageSets: 7\n');
    agent = await startAgent(options);
    const { url } = agent;
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('configuration');
    await files.setConfig(config({ s: { images: [one] } }));
    await until('the image', async () => (await held()).includes(one));
  });

  test('the runtime goes and comes back: the agent waits, reconnects and looks again', async () => {
    const [one, two] = [await push(), await push()];
    await files.setConfig(config({ s: { images: [one] } }));
    agent = await startAgent(options);
    const { metric, process: child } = agent;
    await until('the first image', async () => (await held()).includes(one));
    await daemon.stop();
    await until('runtime_up 0', async () => (await metric('runtime_up')) === 0);
    await files.setConfig(config({ s: { images: [one, two] } }));
    await daemon.start();
    await until('the second image', async () => (await held()).includes(two), 30_000);
    expect(child.exitCode).toBeNull();
    expect(await metric('runtime_up')).toBe(1);
  });

  test('it leaves with code 75 when its mounted socket file is dead', async () => {
    const mounted = join(folder.path, 'mounted.sock');
    await writeFile(mounted, '');
    await runTool('mount', ['--bind', daemon.socket, mounted]);
    try {
      await files.setConfig(config({ s: { images: [] } }));
      agent = await startAgent(files.options({ kind, endpoint: `unix://${mounted}` }));
      const { metric, exited } = agent;
      await until('runtime_up 1', async () => (await metric('runtime_up')) === 1);
      await daemon.stop();
      await daemon.start();
      expect(await exited).toBe(75);
    } finally {
      await runTool('umount', [mounted]);
    }
  });

  test('a moved tag is noticed and pulled', async () => {
    const one = await push();
    await files.setConfig(config({ s: { images: [one], more: '\n    pullPolicy: Always\n    refreshEvery: 10s' } }));
    agent = await startAgent(options);
    const { log } = agent;
    await until('the first pull', () => log.some(({ message }) => message === 'pull done'));
    const repository = one.slice(one.indexOf('/') + 1, one.lastIndexOf(':'));
    registry.requests.length = 0;
    await registry.push(repository, 'v1', sample(`${kind} ${one} moved`));
    await until('the second pull', () => log.filter(({ message }) => message === 'pull done').length === 2, 25_000);
    expect(registry.requests[0]?.method).toBe('HEAD');
  });

  test('SIGTERM aborts the pulls and ends the agent within 5 s', async () => {
    const big = await push(40);
    registry.faults.bytesPerSecond = megabyte;
    await files.setConfig(config({ s: { images: [big] } }));
    agent = await startAgent(options);
    await until('bytes', () => registry.requests.some(({ path }) => path.includes('/blobs/')));
    const startedAt = Date.now();
    expect(await agent.stop()).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    expect(await held()).not.toContain(big);
  });

  test('what was fetched before an abort is fetched again only where the runtime cannot resume', async () => {
    const image = sample(`${kind} resumed`, 40);
    const { reference } = await registry.push('team/resumed', 'v1', image);
    const layer = image.layers[1]?.digest ?? '';
    registry.faults.bytesPerSecond = 10 * megabyte;
    await files.setConfig(config({ s: { images: [reference] } }));
    agent = await startAgent(options);
    await until('some bytes', () => registry.bytesOf(layer) > 10 * megabyte);
    await files.setConfig(config({ s: { images: [reference] } }, 'prefetch: { enabled: false }'));
    const { log } = agent;
    await until('the abort', () => log.some(({ message }) => message === 'pull aborted'));
    await sleep(1_500);
    const before = registry.bytesOf(layer);
    registry.faults.bytesPerSecond = undefined;
    await files.setConfig(config({ s: { images: [reference] } }));
    await until('the image', async () => (await held()).includes(reference));
    const again = registry.bytesOf(layer) - 40 * megabyte;
    if (kind === 'containerd') expect(again / before).toBeLessThan(0.05);
    else expect(again).toBeGreaterThan(before * 0.9);
  });

  test('a set that may not ask for it: allow and maxImageSize', async () => {
    const [small, big] = [await push(1), await push(40)];
    await files.setConfig(config({ s: { images: [small, big] } }, 'prefetch: { maxImageSize: 20M }'));
    const pulled = await stevedore(['pull', ...options]);
    expect(pulled).toMatchObject({ code: 3 });
    expect(pulled.stdout).toContain('maxImageSize');
    expect(await held()).toContain(small);
    expect(await held()).not.toContain(big);
    await files.setConfig(config({ s: { images: [big] } }, 'prefetch: { allow: ["other.example/*"] }'));
    const plan = await stevedore(['plan', '--json', ...options]);
    expect(JSON.parse(plan.stdout)).toMatchObject({ pulls: [], refused: [{ reference: big, detail: 'not_allowed' }] });
  });

  test('a pull waits with reason disk where it would cross the high watermark', async () => {
    const one = await push();
    await files.setConfig(
      config({ s: { images: [one] } }, 'prune: { watermarks: { low: 0.5%, high: 1%, critical: 99% } }'),
    );
    const pulled = await stevedore(['pull', '--json', ...options]);
    expect(pulled.code).toBe(3);
    expect(pulled.stdout).toContain('"reason":"disk"');
    expect(await held()).not.toContain(one);
  });

  test('credentials come from files, are re-read when they change, and show nowhere', async () => {
    const locked = await startRegistry({ user: 'robot', password: 'open-sesame' });
    try {
      const { reference } = await locked.push('secret/image', 'v1', sample('secret'));
      const credentials = join(folder.path, 'credentials');
      await mkdir(credentials);
      const write = (password: string) =>
        writeFile(
          join(credentials, '.dockerconfigjson'),
          JSON.stringify({ auths: { [locked.host]: { username: 'robot', password } } }),
        );
      await write('wrong-secret');
      await files.setConfig(
        `registries: [{ host: "${locked.host}", plainHTTP: true }]\ncredentials: ["${credentials}/.dockerconfigjson"]\n` +
          `imageSets: [{ name: s, images: ["${reference}"] }]\n`,
      );
      agent = await startAgent([...options, '--log-level', 'debug']);
      const { log, url } = agent;
      await until('the refusal', () => log.some(({ message, code }) => message === 'pull failed' && code === 'auth'));
      await write('open-sesame');
      await until('the pull', () => log.some(({ message }) => message === 'pull done'), 40_000);
      const shown = JSON.stringify(log) + (await (await fetch(`${url}/metrics`)).text());
      for (const secret of ['open-sesame', 'wrong-secret']) expect(shown).not.toContain(secret);
    } finally {
      await agent?.stop();
      await locked.remove();
    }
  });

  test("an image set's own credentials, from a user name and a password file, come before the common ones", async () => {
    const locked = await startRegistry({ user: 'robot$team+puller', password: 'pass:word', token: true });
    try {
      const { reference } = await locked.push('team/own', 'v1', sample('own credentials'));
      const path = (name: string) => join(folder.path, name);
      const wrong = { auths: { [locked.host]: { username: 'robot$team+puller', password: 'wrong' } } };
      await writeFile(path('common.json'), JSON.stringify(wrong));
      await writeFile(path('username'), 'robot$team+puller\n');
      await writeFile(path('password'), 'pass:word\n');
      const own = { host: locked.host, usernameFile: path('username'), passwordFile: path('password') };
      const set = { name: 's', images: [reference], credentials: [own] };
      const registries = [{ host: locked.host, plainHTTP: true }];
      await files.setConfig(JSON.stringify({ registries, credentials: [path('common.json')], imageSets: [set] }));
      expect(await stevedore(['pull', ...options])).toMatchObject({ code: 0 });
      await files.setConfig(
        JSON.stringify({ registries, credentials: [path('common.json')], imageSets: [{ ...set, credentials: [] }] }),
      );
      if (!('docker' in daemon)) await daemon.ctr('images', 'rm', '--sync', reference);
      else await daemon.docker('rmi', reference);
      const refused = await stevedore(['pull', '--json', ...options]);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toContain('"code":"auth"');
    } finally {
      await locked.remove();
    }
  });

  test('one agent a state folder: a second one leaves with 4, `pull` goes through the control socket', async () => {
    const one = await push();
    await files.setConfig(config({ s: { images: [one] } }));
    agent = await startAgent(options);
    const { metric } = agent;
    await until('the image', async () => (await held()).includes(one));
    const second = await stevedore(['run', '--listen', '127.0.0.1:0', ...options]);
    expect(second.code).toBe(4);
    await removeBehindItsBack(one);
    const pulled = await stevedore(['pull', '--state-dir', files.stateDir]);
    expect(pulled.code).toBe(0);
    expect(await held()).toContain(one);
    expect(await metric('image_pulls_total')).toBe(2);
    await rm(files.stateDir, { recursive: true, force: true });
  });
}
