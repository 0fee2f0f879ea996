/** The registry client against Debian's docker-registry, and against servers with certificates of a private authority. */

import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { Credential } from '../../agent/core/credentials.ts';
import { parseReference } from '../../agent/core/image-reference.ts';
import { toChainIds } from '../../agent/core/layers.ts';
import type { EndpointSettings } from '../../agent/registry/endpoint.ts';
import { createOciRegistry, type OciRegistryOptions } from '../../agent/registry/oci-registry.ts';
import type { ManifestSummary, Registry } from '../../agent/registry/registry.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type BuiltImage, buildImage, buildIndex, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { runTool } from '../harness/process.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { basicOf, findSecrets, HarborStub } from '../unit/registry/harbor-stub.ts';
import { image, Repository } from '../unit/registry/images.ts';
import { describeRegistry } from '../unit/registry/registry-contract.ts';
import { StubServer } from '../unit/registry/stub-server.ts';

const robot = { username: 'robot$app+pull', password: 'S3cret' };
const never = new AbortController().signal;

function settingsOf(host: string, overrides: Partial<EndpointSettings> = {}): EndpointSettings {
  return { host, plainHTTP: false, insecureSkipVerify: false, caFile: undefined, tokenHosts: [], ...overrides };
}

function clientOf(registries: readonly EndpointSettings[], options: Partial<OciRegistryOptions> = {}): Registry {
  const platform = { os: 'linux', architecture: 'amd64' };
  return createOciRegistry({ registries: () => registries, platform, ...options });
}

function build(seed: string): { both: ReturnType<typeof buildIndex>; summary: ManifestSummary } {
  const layers = [buildLayer({ seed: 'base', sizeBytes: 10_000 }), buildLayer({ seed, sizeBytes: 5_000 })];
  const one: BuiltImage = buildImage({ layers, platform: { os: 'linux', architecture: 'amd64' } });
  const other = buildImage({
    layers: layers.slice(0, 1),
    platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
  });
  const both = buildIndex([other, one]);
  const summary = {
    digest: both.indexDigest,
    manifestDigest: one.manifestDigest,
    imageId: one.configDigest,
    configBytes: one.config.length,
    layers: layers.map(({ digest, blob }) => ({ digest, sizeBytes: blob.length })),
    chainIds: toChainIds(layers.map(({ diffId }) => diffId)),
  };
  return { both, summary };
}

for (const [kind, token] of [
  ['tokens', true],
  ['basic authentication', false],
] as const) {
  describeWith(needs.registry, `docker-registry with ${kind}`, () => {
    let open: TestRegistry;
    let guarded: TestRegistry;
    beforeAll(async () => {
      open = await startRegistry();
      guarded = await startRegistry({ user: robot.username, password: robot.password, token });
    });
    afterAll(async () => {
      await open.remove();
      await guarded.remove();
    });

    describeRegistry(`docker-registry with ${kind}`, async () => ({
      registry: clientOf([settingsOf(open.host, { plainHTTP: true }), settingsOf(guarded.host, { plainHTTP: true })]),
      openHost: open.host,
      privateHost: guarded.host,
      login: robot,
      push: async (reference, seed) => {
        const { registry, repository, tag = '' } = parseReference(reference);
        const { both, summary } = build(seed);
        await (registry === open.host ? open : guarded).push(repository, tag, both);
        return summary;
      },
      requests: () => open.requests.length + guarded.requests.length,
      hold: () => {
        open.faults.hang = true;
        return () => {
          open.faults.hang = false;
        };
      },
      close: async () => {},
    }));
  });
}

describeWith(['openssl'], 'TLS', () => {
  let folder: Folder;
  let authority: string;
  let server: StubServer;
  const reference = () => parseReference(`${server.host}/app/web:v1`);
  const one = image('one');

  beforeAll(async () => {
    folder = await makeFolder('stv-tls');
    authority = await makeAuthority(folder.path, 'authority');
  });
  afterAll(() => folder.remove());

  async function serve(options: { names?: string; realm?: string } = {}): Promise<StubServer> {
    const stub = await StubServer.start(await makeCertificate(folder.path, 'authority', options.names));
    onTestFinished(() => stub.close());
    return stub;
  }
  async function serveHarbor(realm?: string): Promise<HarborStub> {
    server = await serve();
    const harbor = new HarborStub(server, { login: robot, realm: realm ?? `https://${server.host}/service/token` });
    const repository = new Repository('app/web');
    repository.tag('v1', one);
    server.use(harbor.protect(repository.handler));
    server.use(harbor.tokenService);
    return harbor;
  }
  function client(overrides: Partial<EndpointSettings> = {}, options: Partial<OciRegistryOptions> = {}): Registry {
    const registry = clientOf([settingsOf(server.host, { caFile: authority, ...overrides })], options);
    onTestFinished(() => registry.close());
    return registry;
  }
  const credential = () => new Credential(server.host, robot.username, robot.password);

  test('a private authority is trusted by its file, for the token service too', async () => {
    await serveHarbor();
    expect(await client().readManifest(reference(), [credential()], never)).toEqual(one.summary);
  });

  test('without it: tls_ca, and nothing was asked', async () => {
    await serveHarbor();
    await expect(client({ caFile: undefined }).resolveDigest(reference(), [credential()], never)).rejects.toMatchObject(
      {
        code: 'tls',
        detail: 'tls_ca',
        retryable: false,
        message: expect.stringMatching(`${server.host}.*caFile`),
      },
    );
    expect(server.requests).toEqual([]);
  });

  test('the wrong, a missing or an empty file is named; the right one in its place counts at once', async () => {
    await serveHarbor();
    const other = await makeAuthority(folder.path, 'other');
    const file = join(folder.path, 'mounted.crt');
    const registry = client({ caFile: file });
    const refused = { code: 'tls', detail: 'tls_ca', message: expect.stringContaining(file) };
    await expect(registry.resolveDigest(reference(), [credential()], never)).rejects.toMatchObject(refused);
    await writeFile(file, 'not yet');
    await expect(registry.resolveDigest(reference(), [credential()], never)).rejects.toMatchObject(refused);
    await writeFile(file, '-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n');
    await expect(registry.resolveDigest(reference(), [credential()], never)).rejects.toMatchObject(refused);
    await copyFile(other, file);
    await expect(registry.resolveDigest(reference(), [credential()], never)).rejects.toMatchObject(refused);
    await copyFile(authority, file);
    expect(await registry.resolveDigest(reference(), [credential()], never)).toBe(one.digest);
  });

  test('insecureSkipVerify does without, and says so once', async () => {
    await serveHarbor();
    const warnings: object[] = [];
    const log = { debug: () => undefined, warn: (fields: object) => void warnings.push(fields) };
    const registry = client({ caFile: undefined, insecureSkipVerify: true }, { log });
    await registry.resolveDigest(reference(), [credential()], never);
    await registry.resolveDigest(reference(), [credential()], never);
    expect(warnings).toEqual([{ registry: server.host }]);
  });

  test('a certificate for another name is not a question of authority', async () => {
    server = await serve({ names: 'DNS:elsewhere.example' });
    await expect(client().resolveDigest(reference(), [], never)).rejects.toMatchObject({
      code: 'tls',
      detail: undefined,
    });
  });

  test('a token service on another host gets the credential when tokenHosts names it', async () => {
    const auth = await serve();
    const harbor = await serveHarbor(`https://localhost:${auth.port}/service/token`);
    auth.use(harbor.tokenService);
    const refused = { code: 'auth', message: expect.stringContaining('tokenHosts') };
    await expect(client().readManifest(reference(), [credential()], never)).rejects.toMatchObject(refused);
    expect(auth.requests).toEqual([]);
    const registry = client({ tokenHosts: [`localhost:${auth.port}`] });
    expect(await registry.readManifest(reference(), [credential()], never)).toEqual(one.summary);
    expect(auth.requests.map(({ authorization }) => authorization)).toEqual([basicOf(robot)]);
  });

  test('insecureSkipVerify of the registry does not hold for that other host', async () => {
    const auth = await serve();
    await serveHarbor(`https://localhost:${auth.port}/service/token`);
    const registry = client({ caFile: undefined, insecureSkipVerify: true, tokenHosts: [`localhost:${auth.port}`] });
    await expect(registry.readManifest(reference(), [credential()], never)).rejects.toMatchObject({
      code: 'tls',
      detail: 'tls_ca',
    });
    expect(auth.requests).toEqual([]);
  });

  test('a plain http token service of a TLS registry is asked by nobody', async () => {
    const auth = await StubServer.start();
    onTestFinished(() => auth.close());
    await serveHarbor(`${auth.url}/service/token`);
    const refused = { code: 'auth', message: expect.stringContaining('external https address') };
    for (const credentials of [[credential()], []]) {
      const registry = client({ tokenHosts: [auth.host] });
      await expect(registry.readManifest(reference(), credentials, never)).rejects.toMatchObject(refused);
    }
    expect(auth.requests).toEqual([]);
    expect(server.seen('GET', '/v2/').filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  test('a redirect to plain http is followed for a blob, whose digest is checked, and not for a tag', async () => {
    const storage = await StubServer.start();
    onTestFinished(() => storage.close());
    await serveHarbor();
    const blob = `/v2/app/web/blobs/${one.config.digest}`;
    storage.on('GET', '/blob', { status: 200, body: one.config.bytes });
    storage.on('GET', '/manifest', { status: 200, body: one.bytes });
    server.on('GET', blob, { status: 307, headers: { location: `${storage.url}/blob` } });
    expect(await client().readManifest(reference(), [credential()], never)).toEqual(one.summary);
    server.on('GET', '/v2/app/web/manifests/v1', { status: 307, headers: { location: `${storage.url}/manifest` } });
    await expect(client().readManifest(reference(), [credential()], never)).rejects.toMatchObject({ code: 'upstream' });
    expect(storage.requests.map(({ path }) => path)).toEqual(['/blob']);
    expect(findSecrets(storage.requests, [credential()])).toEqual([]);
  });

  test('Docker Hub: its own API host, and its own token host without being named', async () => {
    server = await serve({ names: 'DNS:registry-1.docker.io,DNS:auth.docker.io' });
    const harbor = new HarborStub(server, { login: robot, realm: 'https://auth.docker.io/service/token' });
    const repository = new Repository('library/busybox');
    repository.tag('latest', one);
    server.use(harbor.protect(repository.handler));
    server.use(harbor.tokenService);
    const proxy = await startConnectProxy(server.port);
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const registry = client({ host: 'docker.io' });
    const hub = new Credential('docker.io', robot.username, robot.password);
    expect(await registry.resolveDigest(parseReference('busybox'), [hub], never)).toBe(one.digest);
    expect(server.requests.map(({ headers, authorization }) => [headers.host, authorization?.split(' ')[0]])).toEqual([
      ['registry-1.docker.io', undefined],
      ['auth.docker.io', 'Basic'],
      ['registry-1.docker.io', 'Bearer'],
    ]);
  });

  test('a proxy that refuses: network', async () => {
    await serveHarbor();
    const proxy = await StubServer.start();
    onTestFinished(() => proxy.close());
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(client().resolveDigest(reference(), [], never)).rejects.toMatchObject({ code: 'network' });
  });

  test('through the proxy of the environment, except where NO_PROXY says so; the proxy sees no secret', async () => {
    await serveHarbor();
    const proxy = await startConnectProxy();
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await client().readManifest(reference(), [credential()], never)).toEqual(one.summary);
    expect(proxy.targets.length).toBeGreaterThan(0);
    expect(new Set(proxy.targets)).toEqual(new Set([server.host]));

    const before = proxy.targets.length;
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    expect(await client().readManifest(reference(), [credential()], never)).toEqual(one.summary);
    expect(proxy.targets).toHaveLength(before);
  });
});

async function makeAuthority(folder: string, name: string): Promise<string> {
  const certificate = join(folder, `${name}.crt`);
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    join(folder, `${name}.key`),
  ];
  await runTool('openssl', ['req', '-x509', ...key, '-out', certificate, '-days', '2', '-subj', `/CN=${name}`]);
  return certificate;
}

async function makeCertificate(
  folder: string,
  authority: string,
  names = 'IP:127.0.0.1,DNS:localhost',
): Promise<{ key: string; cert: string }> {
  const extensions = join(folder, 'extensions');
  await writeFile(extensions, `subjectAltName=${names}\n`);
  const path = (end: string) => join(folder, `leaf.${end}`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path('key')];
  await runTool('openssl', ['req', ...key, '-out', path('csr'), '-subj', '/CN=registry']);
  const signer = [
    '-CA',
    join(folder, `${authority}.crt`),
    '-CAkey',
    join(folder, `${authority}.key`),
    '-CAcreateserial',
  ];
  await runTool('openssl', [
    'x509',
    '-req',
    '-in',
    path('csr'),
    ...signer,
    '-days',
    '2',
    '-extfile',
    extensions,
    '-out',
    path('crt'),
  ]);
  return { key: await readFile(path('key'), 'utf8'), cert: await readFile(path('crt'), 'utf8') };
}

/** Tunnels, and nothing else: to where it is asked to, or all to one local port. */
async function startConnectProxy(localPort?: number): Promise<{ url: string; targets: string[] }> {
  const targets: string[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, client) => {
    targets.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const target = connect(localPort ?? Number(port), localPort === undefined ? host : '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, targets };
}
