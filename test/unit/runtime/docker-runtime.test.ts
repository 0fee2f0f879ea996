import type { ServerResponse } from 'node:http';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import type { RuntimeEvent } from '../../../agent/runtime/runtime.ts';
import { json, startDockerDaemon } from './docker-daemon.ts';

const id = `sha256:${'a'.repeat(64)}`;
const other = `sha256:${'b'.repeat(64)}`;
const digest = `sha256:${'d'.repeat(64)}`;
const never = new AbortController().signal;

afterEach(() => {
  vi.useRealTimers();
});

describe('info', () => {
  it.each([
    ['overlay2', [['Backing Filesystem', 'extfs']], 'graphdriver'],
    ['overlayfs', [['driver-type', 'io.containerd.snapshotter.v1']], 'containerd'],
  ])('tells storage driver %s and image store', async (Driver, DriverStatus, imageStore) => {
    await using docker = await startDockerDaemon({
      'GET /info': json({ ServerVersion: '28.5.1', Driver, DriverStatus, DockerRootDir: '/var/lib/docker' }),
    });

    expect(await docker.runtime.info(never)).toMatchObject({
      kind: 'docker',
      version: '28.5.1',
      imageStore,
      snapshotter: Driver,
      imageRoot: '/var/lib/docker',
      capabilities: { events: true, progress: true, resume: false, pin: false, alias: true, exactSizes: false },
    });
  });
});

describe('listImages', () => {
  const unpinned = { pinnedNames: [], pinnedByOthers: false, whole: true };

  it('normalises names and leaves out <none>', async () => {
    await using docker = await startDockerDaemon({
      'GET /images/json': json([
        { Id: id, RepoTags: ['busybox:1', 'cache.lan:5000/x:2'], RepoDigests: [`busybox@${digest}`], Size: 4321 },
        { Id: other, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'], Size: 1 },
        { Id: digest, RepoTags: null, RepoDigests: null, Size: 2 },
      ]),
    });

    expect(await docker.runtime.listImages(never)).toEqual([
      {
        id,
        tags: ['docker.io/library/busybox:1', 'cache.lan:5000/x:2'],
        digests: [`docker.io/library/busybox@${digest}`],
        sizeBytes: 4321,
        ...unpinned,
      },
      { id: other, tags: [], digests: [], sizeBytes: 1, ...unpinned },
      { id: digest, tags: [], digests: [], sizeBytes: 2, ...unpinned },
    ]);
  });

  it('takes for no name the bare digest that the containerd image store of Docker 28 lists at times', async () => {
    const name = `cache.lan:5000/x@${digest}`;
    await using docker = await startDockerDaemon({
      'GET /images/json': json([
        { Id: digest, RepoTags: ['cache.lan:5000/x:1', name], RepoDigests: [digest], Size: 3 },
      ]),
    });

    expect(await docker.runtime.listImages(never)).toMatchObject([{ tags: ['cache.lan:5000/x:1'], digests: [name] }]);
  });

  it('takes for a digest name what the containerd image store of Docker 28 lists as a tag', async () => {
    const name = `cache.lan:5000/x@${digest}`;
    await using docker = await startDockerDaemon({
      'GET /images/json': json([{ Id: digest, RepoTags: ['cache.lan:5000/y:1', name], RepoDigests: [name], Size: 3 }]),
    });

    expect(await docker.runtime.listImages(never)).toMatchObject([{ tags: ['cache.lan:5000/y:1'], digests: [name] }]);
  });
});

describe('listLayers', () => {
  it('gives chain ids, asks each image once, and forgets images that are gone', async () => {
    const base = `sha256:${'1'.repeat(64)}`;
    const top = `sha256:${'2'.repeat(64)}`;
    let images = [{ Id: id }, { Id: other }];
    await using docker = await startDockerDaemon({
      'GET /images/json': (response, ...rest) => json(images)(response, ...rest),
      [`GET /images/${id}/json`]: json({ Id: id, RootFS: { Layers: [base, top] } }),
      [`GET /images/${other}/json`]: json({ Id: other, RootFS: { Layers: [base] } }),
    });
    // printf 'sha256:111… sha256:222…' | sha256sum
    const chain = 'sha256:9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5';

    expect(await docker.runtime.listLayers(never)).toEqual({ chainIds: new Set([base, chain]), blobs: new Set() });
    await docker.runtime.listLayers(never);
    images = [{ Id: other }];
    expect(await docker.runtime.listLayers(never)).toEqual({ chainIds: new Set([base]), blobs: new Set() });
    images = [{ Id: id }];
    await docker.runtime.listLayers(never);

    expect(docker.requests.filter((request) => request === `GET /images/${id}/json`)).toHaveLength(2);
    expect(docker.requests.filter((request) => request === `GET /images/${other}/json`)).toHaveLength(1);
  });

  it('leaves out an image that went in between', async () => {
    await using docker = await startDockerDaemon({ 'GET /images/json': json([{ Id: id }]) });

    expect(await docker.runtime.listLayers(never)).toEqual({ chainIds: new Set(), blobs: new Set() });
  });
});

describe('names and pins', () => {
  it('adds a name by tagging', async () => {
    await using docker = await startDockerDaemon({ 'POST /images/docker.io/x/y:1/tag': json(undefined, 201) });

    await docker.runtime.addName('docker.io/x/y:1', 'cache.lan:5000/z/y:2', never);
    expect(docker.requests).toEqual(['POST /images/docker.io/x/y:1/tag?repo=cache.lan:5000/z/y&tag=2']);
  });

  it('says not_found for a source that is not there', async () => {
    await using docker = await startDockerDaemon({});
    await expect(docker.runtime.addName('docker.io/x/y:1', 'docker.io/z/y:2', never)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('has no pins', async () => {
    await using docker = await startDockerDaemon({});
    await expect(docker.runtime.setPinned('docker.io/x/y:1', true, never)).rejects.toMatchObject({ code: 'runtime' });
  });
});

describe('watch', () => {
  const event = (Type: string, Action: string, ID: string, name?: string, image?: string): string =>
    `${JSON.stringify({ Type, Action, Actor: { ID, Attributes: { name, image } } })}\n`;

  async function collect(feed: (response: ServerResponse) => void): Promise<RuntimeEvent[]> {
    await using docker = await startDockerDaemon({ 'GET /events': feed });
    const controller = new AbortController();
    const seen: RuntimeEvent[] = [];
    for await (const one of docker.runtime.watch(controller.signal)) {
      if (one.kind === 'container' && one.containerId === 'end') controller.abort();
      else seen.push(one);
    }
    return seen;
  }

  it('translates events, skips others, and returns on an abort', async () => {
    const seen = await collect((response) => {
      response.write(event('container', 'create', 'c1', 'happy_name', 'busybox'));
      response.write(event('container', 'start', 'c1'));
      response.write(event('container', 'exec_start', 'c1'));
      response.write(event('container', 'die', 'c1'));
      response.write(event('container', 'destroy', 'c1'));
      response.write(event('network', 'create', 'n1'));
      response.write(event('image', 'pull', 'busybox:1', 'busybox'));
      response.write(event('image', 'tag', id, 'cache.lan:5000/x:2'));
      response.write(event('image', 'untag', id, id));
      response.write(event('image', 'delete', id, id));
      response.write(event('container', 'start', 'end'));
    });

    const container = { kind: 'container', containerId: 'c1', image: undefined };
    expect(seen).toEqual([
      { ...container, action: 'create', image: 'docker.io/library/busybox:latest' },
      { ...container, action: 'start' },
      { ...container, action: 'exit' },
      { ...container, action: 'delete' },
      { kind: 'image', action: 'add', name: 'docker.io/library/busybox:1' },
      { kind: 'image', action: 'add', name: 'cache.lan:5000/x:2' },
      { kind: 'image', action: 'remove', name: id },
      { kind: 'image', action: 'remove', name: id },
    ]);
  });

  it.each([
    ['busybox:1', 'docker.io/library/busybox:1'],
    [`cache.lan:5000/x:1@${digest}`, `cache.lan:5000/x@${digest}`],
    [id, id],
    [id.slice(7), id],
    // The beginning of an id, or a name that looks like one.
    [id.slice(7, 19), undefined],
    ['', undefined],
    ['No Image', undefined],
  ])('tells what a container was made from: %s', async (image, told) => {
    const seen = await collect((response) => {
      response.write(event('container', 'start', 'c1', 'happy_name', image));
      response.write(event('container', 'start', 'end'));
    });

    expect(seen).toEqual([{ kind: 'container', action: 'start', containerId: 'c1', image: told }]);
  });

  it('asks for what happens from the call on, also while the stream opens', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_250 });
    await using docker = await startDockerDaemon({ 'GET /events': (response) => response.end() });
    const events = docker.runtime.watch(never);
    vi.setSystemTime(1_700_000_099_000);

    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'runtime',
      detail: 'unavailable',
    });
    expect(docker.requests[0]).toMatch(/^GET \/events\?since=1700000000\.250&filters=/);
  });

  it('says that the runtime is unavailable when the stream breaks', async () => {
    await using docker = await startDockerDaemon({ 'GET /events': (r) => r.write(event('image', 'pull', 'x:1')) });
    const seen: RuntimeEvent[] = [];
    const watched = (async () => {
      for await (const one of docker.runtime.watch(never)) {
        seen.push(one);
        docker.dieNow();
      }
    })();

    await expect(watched).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
    expect(seen).toHaveLength(1);
  });
});

describe('a daemon that is away', () => {
  it('is unavailable when nobody made the socket', async () => {
    const runtime = createDockerRuntime({ endpoint: 'unix:///no/such/docker.sock' });
    await expect(runtime.info(never)).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
    await expect(runtime.listImages(never)).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
  });

  it('is unavailable when it dies in the middle of an answer', async () => {
    await using docker = await startDockerDaemon({
      'GET /images/json': (response) => {
        response.write('[{"Id":', () => docker.dieNow());
      },
    });
    await expect(docker.runtime.listImages(never)).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
  });

  it('is unavailable when it does not answer within 30 s', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = Promise.withResolvers<void>();
    await using docker = await startDockerDaemon({ 'GET /info': () => asked.resolve() });
    const info = docker.runtime.info(never);
    info.catch(() => undefined);
    await asked.promise;
    vi.advanceTimersByTime(30_000);

    await expect(info).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
  });

  it('an abort rejects with its reason at once', async () => {
    const controller = new AbortController();
    const reason = new Error('shutting down');
    await using docker = await startDockerDaemon({ 'GET /info': () => controller.abort(reason) });

    await expect(docker.runtime.info(controller.signal)).rejects.toBe(reason);
  });

  it('answers again on the same runtime object after it comes back', async () => {
    let up = false;
    await using docker = await startDockerDaemon({
      'GET /info': (response, ...rest) => {
        if (up) json({ ServerVersion: '1', Driver: 'overlay2', DriverStatus: null })(response, ...rest);
        else response.destroy();
      },
    });

    await expect(docker.runtime.info(never)).rejects.toMatchObject({ detail: 'unavailable' });
    up = true;
    expect(await docker.runtime.info(never)).toMatchObject({ version: '1', imageRoot: undefined });
  });

  it('does not talk to a DOCKER_HOST of the environment', async () => {
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1');
    await using docker = await startDockerDaemon({ 'GET /images/json': json([]) });

    expect(await docker.runtime.listImages(never)).toEqual([]);
    vi.unstubAllEnvs();
  });
});
