/** Leftovers on a real dockerd, where its own idea of what is unused would take too much, and build cache, which only a build makes. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDockerRuntime } from '../../agent/runtime/docker/docker-runtime.ts';
import type { LeftoverKind, Runtime } from '../../agent/runtime/runtime.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { busyboxImage } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { runTool } from '../harness/process.ts';

const base = 'leftovers.test/base:1';
/** Debian's own: its 20.10 builds with BuildKit by itself, newer ones need a plug-in for it. */
const builder = '/usr/bin/docker';
const noBuilder = `${builder} cannot build with BuildKit`;

function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

describeWith(needs.dockerd, 'leftovers on docker', () => {
  let dockerd: Dockerd;
  let runtime: Runtime;

  beforeAll(async () => {
    dockerd = await startDockerd();
    runtime = createDockerRuntime({ endpoint: dockerd.endpoint });
    await dockerd.load(busyboxImage(), base);
  });

  afterAll(async () => {
    runtime?.close();
    await dockerd?.remove();
  });

  async function list(kind: LeftoverKind) {
    return await runtime.listLeftovers(new Set([kind]), soon());
  }

  async function make(...args: string[]): Promise<string> {
    return await dockerd.docker('create', '--pull', 'never', ...args, base, '/bin/true');
  }

  test('a network that a stopped container is on stays, until the container is gone', async () => {
    await dockerd.docker('network', 'create', 'joined');
    const container = await make('--network', 'joined');
    expect(await list('network')).toEqual([]);
    const id = await dockerd.docker('network', 'inspect', '--format', '{{.Id}}', 'joined');
    const joined = { kind: 'network', id, name: 'joined', bytes: 0, unusedSince: undefined } as const;
    expect(await runtime.removeLeftover(joined, soon())).toBe('in_use');

    await dockerd.removeContainer(container);
    expect(await list('network')).toEqual([joined]);
    expect(await runtime.removeLeftover(joined, soon())).toBe('removed');
    expect(await runtime.removeLeftover(joined, soon())).toBe('absent');
  });

  test('the volume of a stopped container stays; when the container went, the anonymous one goes and the named one stays', async () => {
    const container = await make('--network', 'none', '--volume', '/anonymous', '--volume', 'named:/named');
    const stopped = await list('stopped_container');
    expect(stopped).toMatchObject([{ id: container }]);
    expect(await list('volume')).toEqual([]);

    expect(await runtime.removeLeftover(stopped[0] ?? expect.fail(), soon())).toBe('removed');
    const [anonymous, ...others] = await list('volume');
    expect(others).toEqual([]);
    expect(await runtime.removeLeftover(anonymous ?? expect.fail(), soon())).toBe('removed');
    expect(await dockerd.docker('volume', 'ls', '--quiet')).toBe('named');
  });

  test("the kubelet's containers stay, with what they use", async () => {
    const byLabel = await make('--network', 'none', '--label', 'io.kubernetes.pod.name=app', '--volume', '/data');
    const byName = await make('--network', 'none', '--name', 'k8s_app_pod_default_1_0');
    expect(await list('stopped_container')).toEqual([]);
    expect(await list('volume')).toEqual([]);
    for (const id of [byLabel, byName]) {
      const leftover = { kind: 'stopped_container', id, name: id, bytes: 0, unusedSince: undefined } as const;
      expect(await runtime.removeLeftover(leftover, soon())).toBe('in_use');
      await dockerd.removeContainer(id);
    }
  });

  test('a container that ran again since it was listed stays', async () => {
    const container = await dockerd.run(base, { command: ['/bin/true'] });
    await dockerd.docker('wait', container);
    const [listed] = await list('stopped_container');
    await dockerd.docker('start', container);
    await dockerd.docker('wait', container);
    expect(await runtime.removeLeftover(listed ?? expect.fail(), soon())).toBe('in_use');

    const [again] = await list('stopped_container');
    expect(again?.unusedSince).toBeGreaterThan(listed?.unusedSince ?? Infinity);
    expect(await runtime.removeLeftover(again ?? expect.fail(), soon())).toBe('removed');
  });

  test('build cache goes record by record, and none that a build used since', async ({ skip }) => {
    if (!(await build())) skip(noBuilder);
    const old = await list('build_cache');
    expect(old.length).toBeGreaterThan(4);
    expect(old.reduce((sum, { bytes = 0 }) => sum + bytes, 0)).toBeGreaterThan(100_000);
    // Records are used again, in reality days later.
    const daysAgo = Date.now() - 3 * 86_400_000;
    for (const one of old) {
      expect(await runtime.removeLeftover({ ...one, unusedSince: daysAgo }, soon())).toBe('in_use');
    }
    expect((await list('build_cache')).map(({ id }) => id).toSorted()).toEqual(old.map(({ id }) => id).toSorted());

    for (const one of old) expect(await runtime.removeLeftover(one, soon())).toBe('removed');
    expect(await list('build_cache')).toEqual([]);
  });

  test('bytes of layers are those that each step of a build wrote', async ({ skip }) => {
    if (!(await build())) skip(noBuilder);
    const images = await runtime.listImages(soon());
    const built = images.find(({ tags }) => tags.includes('docker.io/library/built:1'));
    const parts = await runtime.listImageParts(soon());
    const sizes = parts.get(built?.id ?? '')?.map(({ bytes }) => bytes) ?? [];
    // The containerd image store counts blocks, and compressed blobs besides.
    const { imageStore } = await runtime.info(soon());
    if (imageStore === 'graphdriver') expect(sizes.slice(1)).toEqual([0, 300_000, 6, 0]);
    else expect(sizes[2]).toBeGreaterThan(300_000);
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBe(built?.sizeBytes);
  });

  /** @returns false where the command line has no BuildKit. */
  async function build(): Promise<boolean> {
    const folder = join(dockerd.folder, 'build');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'a.txt'), Buffer.alloc(300_000, 7));
    const steps = ['ENV A=1', 'WORKDIR /app', 'COPY a.txt .', 'LABEL x=y', 'RUN echo hello > b.txt', 'RUN true'];
    await writeFile(join(folder, 'Dockerfile'), [`FROM ${base}`, ...steps].join('\n'));
    const env = { DOCKER_HOST: dockerd.endpoint, DOCKER_BUILDKIT: '1', DOCKER_CONFIG: join(dockerd.folder, 'client') };
    try {
      await runTool(builder, ['build', '--network', 'none', '--tag', 'built:1', folder], { env });
      return true;
    } catch (error) {
      if (/ENOENT|buildx/.test(String(error))) return false;
      throw error;
    }
  }
});
