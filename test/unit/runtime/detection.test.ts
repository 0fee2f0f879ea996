import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Failure } from '../../../agent/core/failure.ts';
import { instrumentRuntime, socketIsDead } from '../../../agent/runtime/connect.ts';
import {
  DetectionError,
  detectRuntime,
  type ProbeAnswer,
  type RuntimeProbe,
  systemProbe,
} from '../../../agent/runtime/detection.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { toSocketPath } from '../../../agent/runtime/endpoint.ts';

const never = new AbortController().signal;
let root: string;
let servers: Server[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'detect-'));
  servers = [];
});

afterEach(async () => {
  for (const server of servers) server.close();
  await rm(root, { recursive: true });
});

async function listen<T extends Server>(path: string, server: T): Promise<T> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  server.listen(join(root, path));
  await once(server, 'listening');
  servers.push(server);
  return server;
}

const dead: ProbeAnswer = { live: false, reason: 'nobody answers' };

/** Sockets in the usual places, and who answers there by the last part of the path; `asked` counts. */
async function node(sockets: Readonly<Record<string, ProbeAnswer>>) {
  for (const path of Object.keys(sockets)) await listen(path, createServer());
  const asked: string[] = [];
  const answer =
    (protocol: 'docker' | 'cri') =>
    async (socketPath: string): Promise<ProbeAnswer> => {
      asked.push(`${protocol} ${socketPath.slice(root.length)}`);
      return sockets[socketPath.slice(root.length)] ?? dead;
    };
  const probe: RuntimeProbe = { docker: answer('docker'), cri: answer('cri') };
  return { probe, asked };
}

const docker: ProbeAnswer = { live: true, name: 'docker', version: '28.5.1' };
const containerd: ProbeAnswer = { live: true, name: 'containerd', version: '2.1.9' };
const crio: ProbeAnswer = { live: true, name: 'cri-o', version: '1.34.0' };
const noCri: ProbeAnswer = { live: false, reason: 'it has no CRI v1 service' };

const auto = { kind: 'auto', endpoint: undefined } as const;

describe('auto', () => {
  it.each([
    ['/run/docker.sock', docker, 'docker'],
    ['/var/run/docker.sock', docker, 'docker'],
    ['/run/containerd/containerd.sock', containerd, 'containerd'],
    ['/run/k3s/containerd/containerd.sock', containerd, 'containerd'],
    ['/var/snap/microk8s/common/run/containerd.sock', containerd, 'containerd'],
    ['/run/k0s/containerd.sock', containerd, 'containerd'],
    ['/run/crio/crio.sock', crio, 'cri'],
    ['/var/run/crio/crio.sock', crio, 'cri'],
    ['/run/cri-dockerd.sock', docker, 'cri'],
  ])('finds the one runtime at %s', async (path, answer, kind) => {
    const { probe } = await node({ [path]: answer });

    const found = await detectRuntime({ ...auto, root, probe }, never);
    expect(found).toMatchObject({ kind, endpoint: `unix://${root}${path}` });
    expect(found.findings.join()).toContain(path);
  });

  it('a containerd without the CRI does not count, and the findings say so', async () => {
    const { probe } = await node({ '/run/docker.sock': docker, '/run/containerd/containerd.sock': noCri });

    const found = await detectRuntime({ ...auto, root, probe }, never);
    expect(found.kind).toBe('docker');
    expect(found.findings).toEqual([
      `docker 28.5.1 at unix://${root}/run/docker.sock`,
      `containerd at unix://${root}/run/containerd/containerd.sock does not count: it has no CRI v1 service`,
    ]);
  });

  it('two live runtimes are a mistake that names both', async () => {
    const { probe } = await node({ '/run/docker.sock': docker, '/run/containerd/containerd.sock': containerd });

    const failed = await detectRuntime({ ...auto, root, probe }, never).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(DetectionError);
    expect(failed).not.toBeInstanceOf(Failure);
    expect(String(failed)).toContain(`unix://${root}/run/docker.sock`);
    expect(String(failed)).toContain(`unix://${root}/run/containerd/containerd.sock`);
    expect(String(failed)).toContain('--endpoint');
  });

  it('Docker with cri-dockerd in front is one Docker', async () => {
    const { probe } = await node({ '/run/docker.sock': docker, '/run/cri-dockerd.sock': docker });

    const found = await detectRuntime({ ...auto, root, probe }, never);
    expect(found.endpoint).toBe(`unix://${root}/run/docker.sock`);
    expect(found.findings.join()).toContain('cri-dockerd stands in front');
  });

  it('one socket in two places is asked once', async () => {
    const { probe, asked } = await node({ '/run/docker.sock': docker });
    await mkdir(join(root, 'var'));
    await symlink('../run', join(root, 'var/run'));

    expect(await detectRuntime({ ...auto, root, probe }, never)).toMatchObject({ kind: 'docker' });
    expect(asked).toEqual(['docker /run/docker.sock']);
  });

  it.each([
    ['nothing is there', {}, 'no socket at'],
    ['nobody answers', { '/run/docker.sock': dead }, 'nobody answers'],
  ])('while %s the runtime is unavailable, which can change', async (_, sockets, reason) => {
    const { probe } = await node(sockets);

    await expect(detectRuntime({ ...auto, root, probe }, never)).rejects.toMatchObject({
      name: 'Failure',
      code: 'runtime',
      detail: 'unavailable',
      message: expect.stringContaining(reason),
    });
  });

  it('a file that is no socket does not count', async () => {
    await mkdir(join(root, 'run'));
    await writeFile(join(root, 'run/docker.sock'), '');
    const { probe, asked } = await node({ '/run/crio/crio.sock': crio });

    expect(await detectRuntime({ ...auto, root, probe }, never)).toMatchObject({ kind: 'cri' });
    expect(asked).toEqual(['cri /run/crio/crio.sock']);
  });

  it('stops with the reason of an abort', async () => {
    const controller = new AbortController();
    const reason = new Error('shutting down');
    await listen('/run/docker.sock', createServer());
    const detected = detectRuntime({ ...auto, root }, controller.signal);
    controller.abort(reason);

    await expect(detected).rejects.toBe(reason);
  });
});

describe("the kubelet's runtime", () => {
  const both = { '/run/docker.sock': docker, '/run/containerd/containerd.sock': containerd };

  it.each([
    ['containerd://2.1.9', both, '/run/containerd/containerd.sock'],
    // The version may be of another moment: an upgrade changes it before the kubelet says so.
    ['containerd://1.7.24', both, '/run/containerd/containerd.sock'],
    ['docker://28.5.1', both, '/run/docker.sock'],
    ['docker://28.5.1', { ...both, '/run/cri-dockerd.sock': docker }, '/run/docker.sock'],
    ['docker://28.5.1', { '/run/cri-dockerd.sock': docker, '/run/crio/crio.sock': crio }, '/run/cri-dockerd.sock'],
    ['cri-o://1.34.0', { ...both, '/run/crio/crio.sock': crio }, '/run/crio/crio.sock'],
    [
      'containerd://2.1.9-k3s1',
      {
        '/run/containerd/containerd.sock': containerd,
        '/run/k3s/containerd/containerd.sock': { ...containerd, version: 'v2.1.9-k3s1' },
      },
      '/run/k3s/containerd/containerd.sock',
    ],
  ])('%s decides between %j', async (kubeletRuntime, sockets, path) => {
    const { probe } = await node(sockets);

    const found = await detectRuntime({ ...auto, kubeletRuntime, root, probe }, never);
    expect(found.endpoint).toBe(`unix://${root}${path}`);
    const others = Object.keys(sockets).length - 1;
    expect(
      found.findings.filter((finding) => /does not count: the kubelet uses|stands in front/.test(finding)),
    ).toHaveLength(others);
  });

  it('is waited for while another one answers', async () => {
    const { probe } = await node({ ...both, '/run/containerd/containerd.sock': dead });
    const request = { ...auto, kubeletRuntime: 'containerd://2.1.9', root, probe };

    await expect(detectRuntime(request, never)).rejects.toMatchObject({
      detail: 'unavailable',
      message: expect.stringContaining('docker.sock does not count: the kubelet uses containerd://2.1.9'),
    });
  });

  it.each(['frakti://1.0', 'nonsense', ''])('as unknown as %j has no say', async (kubeletRuntime) => {
    const { probe } = await node(both);
    await expect(detectRuntime({ ...auto, kubeletRuntime, root, probe }, never)).rejects.toThrow(DetectionError);
  });

  it('has no say where kind or endpoint is given', async () => {
    const { probe } = await node(both);
    const kubeletRuntime = 'containerd://2.1.9';
    const endpoint = `unix://${root}/run/docker.sock`;

    const byKind = { kind: 'docker', endpoint: undefined, kubeletRuntime, root, probe } as const;
    expect(await detectRuntime(byKind, never)).toMatchObject({ kind: 'docker' });
    expect(await detectRuntime({ kind: 'auto', endpoint, kubeletRuntime, probe }, never)).toMatchObject({ endpoint });
  });
});

describe('a kind without an endpoint', () => {
  it.each([
    ['docker', 'docker', '/run/docker.sock'],
    ['containerd', 'containerd', '/run/containerd/containerd.sock'],
    ['cri', 'cri', '/run/containerd/containerd.sock'],
  ] as const)('%s looks only for that', async (kind, found, path) => {
    const { probe } = await node({ '/run/docker.sock': docker, '/run/containerd/containerd.sock': containerd });

    const request = { kind, endpoint: undefined, root, probe };
    expect(await detectRuntime(request, never)).toMatchObject({ kind: found, endpoint: `unix://${root}${path}` });
  });

  it('containerd is not satisfied by another CRI runtime', async () => {
    const { probe } = await node({ '/run/crio/crio.sock': crio });

    await expect(detectRuntime({ kind: 'containerd', endpoint: undefined, root, probe }, never)).rejects.toMatchObject({
      detail: 'unavailable',
    });
  });
});

describe('an endpoint', () => {
  it('with a kind is taken as told, nothing is asked', async () => {
    const { probe, asked } = await node({});
    const request = { kind: 'containerd', endpoint: 'unix:///no/such.sock', probe } as const;

    expect(await detectRuntime(request, never)).toMatchObject({ kind: 'containerd', endpoint: 'unix:///no/such.sock' });
    expect(asked).toEqual([]);
  });

  it.each(['tcp://127.0.0.1:2375', '/run/docker.sock', 'unix://run/docker.sock', 'unix:///', ''])(
    '%j is a mistake',
    async (endpoint) => {
      await expect(detectRuntime({ kind: 'auto', endpoint }, never)).rejects.toThrow(DetectionError);
      await expect(detectRuntime({ kind: 'docker', endpoint }, never)).rejects.toThrow(DetectionError);
    },
  );

  it('names its socket', () => {
    expect(toSocketPath('unix:///run/k3s/containerd/containerd.sock')).toBe('/run/k3s/containerd/containerd.sock');
  });
});

describe('who answers on a socket', () => {
  const detect = (path: string) => detectRuntime({ kind: 'auto', endpoint: `unix://${root}${path}` }, never);

  it('a Docker', async () => {
    await listen(
      '/d.sock',
      createHttpServer((_, response) => {
        response.writeHead(200, { 'api-version': '1.41', server: 'Docker/20.10.24 (linux)' }).end('OK');
      }),
    );
    expect(await detect('/d.sock')).toMatchObject({
      kind: 'docker',
      findings: [`docker 20.10.24 at unix://${root}/d.sock`],
    });
  });

  /** VersionResponse: fields 1 to 4, all strings. */
  function versionResponse(...fields: readonly string[]): Buffer {
    const message = Buffer.concat(
      fields.map((text, index) => Buffer.concat([Buffer.of(((index + 1) << 3) | 2, text.length), Buffer.from(text)])),
    );
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    return Buffer.concat([header, message]);
  }

  async function grpc(path: string, status: number, body: Buffer = Buffer.alloc(0)): Promise<void> {
    const server = createHttp2Server();
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), 'grpc-message': 'why' }));
      stream.end(body);
    });
    await listen(path, server as unknown as Server);
  }

  it.each([
    ['containerd', 'containerd'],
    ['cri-o', 'cri'],
  ])('a CRI runtime that calls itself %s', async (name, kind) => {
    await grpc('/c.sock', 0, versionResponse('0.1.0', name, 'v1.7.24', 'v1'));

    expect(await detect('/c.sock')).toMatchObject({ kind, findings: [`${name} v1.7.24 at unix://${root}/c.sock`] });
  });

  it('a containerd without the CRI plugin', async () => {
    await grpc('/c.sock', 12);
    await expect(detect('/c.sock')).rejects.toMatchObject({
      detail: 'unavailable',
      message: expect.stringContaining('no CRI v1 service'),
    });
  });

  it('one that is still starting', async () => {
    await grpc('/c.sock', 14);
    await expect(detect('/c.sock')).rejects.toMatchObject({
      detail: 'unavailable',
      message: expect.stringContaining('gRPC status 14: why'),
    });
  });

  it('something else, or nobody', async () => {
    await listen(
      '/x.sock',
      createServer((socket) => socket.end('hello\n')),
    );
    expect(await systemProbe.cri(`${root}/x.sock`, never)).toMatchObject({ live: false });
    expect(await systemProbe.docker(`${root}/x.sock`, never)).toMatchObject({ live: false });
    expect(await systemProbe.cri(`${root}/none.sock`, never)).toEqual({
      live: false,
      reason: expect.stringContaining('ENOENT'),
    });
  });
});

describe('socketIsDead', () => {
  it('is true for a file without links, and not for one that is there or not there yet', async () => {
    const path = join(root, 'file');
    await using file = await open(path, 'w');

    expect(await socketIsDead(`unix://${path}`)).toBe(false);
    await unlink(path);
    expect(await socketIsDead(`unix://${path}`)).toBe(false);
    // The open file, which has no name any more.
    expect(await socketIsDead(`unix:///proc/self/fd/${file.fd}`)).toBe(true);
  });

  it('is true for a mounted socket whose original was replaced', async ({ skip }) => {
    const first = await listen('/run/docker.sock', createServer());
    const mounted = join(root, 'mounted.sock');
    await writeFile(mounted, '');
    try {
      execFileSync('mount', ['--bind', join(root, 'run/docker.sock'), mounted], { stdio: 'pipe' });
    } catch (error) {
      skip(`this user may not mount: ${String(error)}`);
    }
    try {
      expect(await socketIsDead(`unix://${mounted}`)).toBe(false);
      first.close();
      await once(first, 'close');
      await listen('/run/docker.sock', createServer());

      expect(await socketIsDead(`unix://${mounted}`)).toBe(true);
      expect(await socketIsDead(`unix://${join(root, 'run/docker.sock')}`)).toBe(false);
    } finally {
      execFileSync('umount', [mounted]);
    }
  });
});

describe('instrumentRuntime', () => {
  it('tells each call with its duration and whether it failed; an abort is no failure', async () => {
    const seen: [string, boolean][] = [];
    const runtime = instrumentRuntime(
      createDockerRuntime({ endpoint: 'unix:///no/such.sock' }),
      (operation, seconds, failed) => {
        expect(seconds).toBeGreaterThanOrEqual(0);
        seen.push([operation, failed]);
      },
    );

    await runtime.discardPartialPulls(new Set(), never);
    await runtime.info(never).catch(() => undefined);
    await runtime.listImages(AbortSignal.abort()).catch(() => undefined);
    await runtime.setPinned('docker.io/x/y:1', true, never).catch(() => undefined);
    expect(seen).toEqual([
      ['info', true],
      ['list_images', false],
      ['pin_image', true],
    ]);
  });
});
