/** `stevedore warm` as a process, on the Harbor double; what it costs is counted at the upstream. */

import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { toResolvedTexts } from '../../agent/core/resolved-document.ts';
import { type InProcessCluster, startInProcessCluster } from '../cluster/in-process-cluster.ts';
import { namespace } from '../cluster/test-cluster.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type Harbor, parseRights, startHarbor } from '../harness/harbor/harbor.ts';
import { type BuiltImage, buildImage, buildIndex, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { bundledAgent } from './bundle.ts';
import { stevedore, until } from './running-agent.ts';

const rights = ['repository:pull', 'repository:list', 'artifact:list', 'artifact:read', 'project:read'];
const layerBytes = 2e6;

describeWith([...needs.registry, 'openssl'], 'stevedore warm', () => {
  let harbor: Harbor;
  let cluster: InProcessCluster;
  let folder: Folder;
  let count = 0;

  beforeAll(async () => {
    cluster = await startInProcessCluster();
    harbor = await startHarbor();
    harbor.addProject('px', { proxyOf: harbor.upstream });
    harbor.addProject('own');
  });
  afterAll(async () => {
    await harbor?.remove();
    await cluster?.remove();
  });

  beforeEach(async () => {
    count += 1;
    folder = await makeFolder('stv-w');
    await configure(rights);
  });
  afterEach(async () => {
    harbor.timing.checkPeriodMs = 20;
    harbor.upstream.registry.faults.bytesPerSecond = undefined;
    await harbor.upstream.setState('healthy');
    await harbor.settled(60_000);
    await folder.remove();
  });

  async function configure(access: readonly string[], more = ''): Promise<void> {
    const permissions = [{ kind: 'project', namespace: '*', access: parseRights(...access) }] as const;
    const robot = harbor.addRobot({ name: `warm-${count}-${access.length}`, permissions });
    const { username, password } = harbor.loginOf(robot);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    await mkdir(folder.path, { recursive: true });
    await writeFile(join(folder.path, 'auth.json'), JSON.stringify({ auths: { [harbor.host]: { auth } } }));
    const registry = `registries: [{ host: "${harbor.host}", plainHTTP: true, harbor: true }]`;
    const credentials = `credentials: [${join(folder.path, 'auth.json')}]`;
    await writeFile(join(folder.path, 'config.yaml'), `${registry}\n${credentials}\n${more}`);
  }

  /** What it says of the state folder does not matter: it has none. */
  const options = () => ['--config', join(folder.path, 'config.yaml'), '--state-dir', join(folder.path, 'none')];
  const warm = (...args: readonly string[]) => stevedore(['warm', ...options(), ...args]);

  async function begin(...args: readonly string[]) {
    const [command = '', ...prefix] = await bundledAgent();
    const child = spawn(command, [...prefix, 'warm', ...options(), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { exited, stdout: () => stdout, interrupt: () => child.kill('SIGINT') };
  }

  /** Two platforms that share a layer. Another repository for every test. */
  async function pushUpstream(): Promise<{ reference: string; images: readonly BuiltImage[] }> {
    const repository = `lib/warm-${count}`;
    const shared = buildLayer({ seed: `warm ${count} shared`, sizeBytes: layerBytes });
    const images = ['amd64', 'arm64'].map((architecture) =>
      buildImage({
        platform: { os: 'linux', architecture },
        layers: [shared, buildLayer({ seed: `warm ${count} ${architecture}`, sizeBytes: layerBytes })],
      }),
    );
    await harbor.upstream.registry.push(repository, 'v1', buildIndex(images));
    harbor.upstream.reset();
    return { reference: `${harbor.host}/px/${repository}:v1`, images };
  }

  const both = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];

  test('the upstream sends every blob once, for the platforms that were named; what pulls afterwards costs it nothing', async () => {
    const { reference } = await pushUpstream();
    // Harbor fetches by itself ten times later, long after the warmer.
    harbor.timing.checkPeriodMs = 3_000;
    harbor.upstream.registry.faults.bytesPerSecond = 2 * layerBytes;
    const ran = await warm(...both, reference);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(new RegExp(`^warming ${reference} \\(5\\.7 MiB missing of 5\\.7 MiB\\)`));
    expect(ran.stdout).toMatch(/\ndone: 1 warm, 0 not needed, 0 failed\n$/);
    const { bytes } = harbor.upstream.counts();
    expect(bytes).toBeLessThan(1.2 * 3 * layerBytes);

    await harbor.settled(60_000);
    harbor.upstream.reset();
    const again = await warm(...both, '--json', reference);
    expect(again.code).toBe(0);
    expect(
      again.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown)
        .at(-1),
    ).toMatchObject({
      kind: 'done',
      outcome: 'noop',
      warm: 1,
    });
    expect(harbor.upstream.counts()).toMatchObject({ blobs: 0 });
  });

  test('a dry run causes nothing to be fetched, also later; with sizes it says how many bytes', async () => {
    const { reference } = await pushUpstream();
    const looked = await warm(...both, '--dry-run', reference);
    expect(looked).toMatchObject({ code: 0, stderr: '' });
    expect(looked.stdout).toContain(`cold ${reference} linux/amd64: size not known`);
    expect(looked.stdout).toContain(`cold ${reference} linux/arm64: size not known`);
    expect(looked.stdout).toMatch(/\ndry run: 0 warm, 1 cold \(size not known\), 0 not needed, 0 failed\n$/);
    await harbor.settled();
    expect(harbor.upstream.counts()).toMatchObject({ blobs: 0, completeBlobs: 0 });

    const sized = await warm(...both, '--dry-run', '--sizes', reference);
    expect(sized.stdout).toMatch(/linux\/amd64: 3\.8 MiB missing\n/);
    expect(sized.stdout).toMatch(/\ndry run: 0 warm, 1 cold \(5\.7 MiB missing\), 0 not needed, 0 failed\n$/);
    await harbor.settled();

    const warmed = await warm('--platform', 'linux/amd64', '--dry-run', reference);
    expect(warmed.stdout).toBe(`warm ${reference} linux/amd64\ndry run: 1 warm, 0 cold, 0 not needed, 0 failed\n`);
  });

  test('what is behind no proxy project needs nothing; what is not there fails, and the rest is warmed', async () => {
    const { reference } = await pushUpstream();
    await harbor.push(`own/app-${count}`, 'v1', buildImage({ layers: [buildLayer({ seed: 'own', sizeBytes: 1e4 })] }));
    const others = [`${harbor.host}/own/app-${count}:v1`, 'docker.io/library/busybox:1'];
    const needless = await warm(...others);
    expect(needless).toMatchObject({ code: 0, stderr: '' });
    expect(needless.stdout.split('\n').toSorted().slice(1)).toEqual(
      [
        `not needed ${others[1]}: docker.io is no registry with harbor: true of the configuration`,
        `not needed ${others[0]}: own of ${harbor.host} is no proxy-cache project`,
        'nothing to do: 0 warm, 2 not needed, 0 failed',
      ].toSorted(),
    );
    expect(harbor.upstream.counts()).toMatchObject({ heads: 0, manifests: 0, blobs: 0 });

    const absent = `${harbor.host}/px/lib/nosuch:v1`;
    const nowhere = `${harbor.host}/nosuch/app:v1`;
    const partly = await warm('--platform', 'linux/arm64', reference, absent, nowhere, `${reference}x`);
    expect(partly.code).toBe(3);
    expect(partly.stdout).toContain(`failed ${absent}: not_found: `);
    expect(partly.stdout).toContain(`failed ${nowhere}: not_found: ${harbor.host} has no project nosuch`);
    expect(partly.stdout).toMatch(/\npartly done: 1 warm, 0 not needed, 3 failed\n$/);
    expect((await warm(absent)).code).toBe(1);

    const lacking = await warm('--platform', 'linux/arm64', '--platform', 'linux/s390x', reference);
    expect(lacking.code).toBe(3);
    expect(lacking.stdout).toContain(`missing ${reference}: it has no image for linux/s390x`);
  });

  test('an upstream that is away for a while is waited for', async () => {
    const { reference } = await pushUpstream();
    await harbor.upstream.setState('down');
    const running = await begin('--platform', 'linux/amd64', reference);
    await until('the second try', () => running.stdout().includes('tried again in'));
    await harbor.upstream.setState('healthy');
    expect(await running.exited).toBe(0);
    expect(running.stdout()).toMatch(/\ndone: 1 warm, 0 not needed, 0 failed\n$/);
  });

  test('in a cluster it warms for all its nodes, and knows the sizes of what was resolved for them', async () => {
    const { reference, images } = await pushUpstream();
    for (const architecture of ['amd64', 'arm64']) {
      const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': architecture };
      cluster.server.put('nodes', { metadata: { name: `node-${architecture}`, labels } });
    }
    const text = await readFile(join(folder.path, 'config.yaml'), 'utf8');
    cluster.server.put('configmaps', { metadata: { name: 'stevedore', namespace }, data: { 'config.yaml': text } });
    const [first] = images;
    const known = {
      platform: 'linux/amd64',
      digest: first?.manifestDigest ?? '',
      imageId: first?.manifestDigest ?? '',
    };
    const platforms = [{ ...known, sizeBytes: 3_000_000, warm: 'cold' } as const];
    const record = { reference, digest: undefined, isProxied: true, platforms };
    const { texts } = toResolvedTexts({ images: new Map([[reference, record]]), patterns: new Map() });
    const published = texts.findIndex((one) => one.includes(reference));
    const name = `stevedore-resolved-${published}`;
    cluster.server.put('configmaps', {
      metadata: { name, namespace },
      data: { 'resolved.json': texts[published] ?? '' },
    });
    const kubeconfig = join(folder.path, 'kubeconfig');
    await writeFile(kubeconfig, cluster.kubeconfig({ token: await cluster.issueToken('node-amd64') }));
    const toCluster = ['--node-name', 'node-amd64', '--kubeconfig', kubeconfig, '--namespace', namespace];
    const inCluster = (...args: readonly string[]) =>
      stevedore(['warm', ...toCluster, '--state-dir', join(folder.path, 'none'), ...args]);

    const looked = await inCluster('--dry-run', reference);
    expect(looked).toMatchObject({ code: 0, stderr: '' });
    expect(looked.stdout).toContain(`cold ${reference} linux/amd64: 2.9 MiB missing: at most`);
    expect(looked.stdout).toContain(`cold ${reference} linux/arm64: size not known`);

    // Where Harbor's own fetch of two children that share a layer came in between, one of them would have to be asked for again, 45 s later.
    harbor.timing.checkPeriodMs = 3_000;
    const ran = await inCluster('--json', reference);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const warmed = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; platform?: string });
    expect(warmed.filter(({ kind }) => kind === 'child_warm').map(({ platform }) => platform)).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
  });

  test('Ctrl-C stops at once', async () => {
    const { reference } = await pushUpstream();
    await harbor.upstream.setState('hanging');
    const running = await begin(reference);
    await until('asked', () => harbor.requests.some(({ path }) => path.includes(`warm-${count}/manifests`)));
    running.interrupt();
    // Were it not heard, the deadline of main.ts would end it with 1.
    expect(await running.exited).toBe(130);
  });
});
