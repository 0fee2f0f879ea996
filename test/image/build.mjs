/**
 * `npm run test:image`: builds the container image for amd64 and arm64 with BuildKit on a private dockerd, looks at what came out
 * and runs the one for this machine. Needs root, Linux, Debian's docker.io (or a docker client with buildx) and busybox-static,
 * npm and a package registry; no image is pulled. Exit code 1 when anything is not as it should be.
 */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { startDockerd } from '../harness/dockerd.ts';
import { ownPlatform } from '../harness/images.ts';
import { runTool } from '../harness/process.ts';
import { buildBases } from './bases.mjs';
import { tryImage } from './trial.mjs';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const version = '9.8.7-test';
const revision = '0123456789abcdef0123456789abcdef01234567';
const buildTimeoutMs = 600_000;
const proxyVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** A client that speaks BuildKit: one before 23 has it built in, later ones need the plugin buildx. */
async function findClient() {
  const clients = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'docker'));
  for (const client of clients.filter((path) => existsSync(path))) {
    const major = Number.parseInt(/version (\d+)/.exec(await runTool(client, ['--version']))?.[1] ?? '', 10);
    if (major < 23) return client;
    const hasBuildx = await runTool(client, ['buildx', 'version']).then(
      () => true,
      () => false,
    );
    if (hasBuildx) return client;
  }
  throw new Error('no docker client with BuildKit on the path: install docker.io, or buildx for the one that is there');
}

/** npm's settings of this machine go in as secrets, so that they stay out of the image and of the repository. */
async function writeSecrets(folder) {
  await mkdir(folder, { recursive: true });
  const npm = async (key) => (await runTool('npm', ['config', 'get', key], { cwd: repository })).trim();
  const userConfig = await npm('userconfig');
  const lines = existsSync(userConfig) ? (await readFile(userConfig, 'utf8')).split('\n') : [];
  const authority = [await npm('cafile'), process.env.NODE_EXTRA_CA_CERTS].find((path) => path && existsSync(path));
  const kept = lines.filter((line) => !/^\s*(cafile|registry)\s*=/.test(line));
  const own = [`registry=${await npm('registry')}`, ...(authority ? ['cafile=/run/secrets/ca'] : [])];
  const npmrc = join(folder, 'npmrc');
  await writeFile(npmrc, [...kept, ...own, ''].join('\n'), { mode: 0o600 });
  return [`--secret=id=npmrc,src=${npmrc}`, ...(authority ? [`--secret=id=ca,src=${authority}`] : [])];
}

/** gzip as registries hold layers, of the layers above the base. */
async function measureAboveBase(dockerd, image, baseLayers) {
  const folder = join(dockerd.folder, 'saved');
  await mkdir(folder);
  await dockerd.docker('save', '--output', `${folder}.tar`, image);
  await runTool('tar', ['-xf', `${folder}.tar`, '-C', folder]);
  const [{ Layers: layers }] = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  const above = await Promise.all(layers.slice(baseLayers).map((path) => readFile(join(folder, path))));
  return {
    bytes: above.reduce((sum, tar) => sum + tar.length, 0),
    compressedBytes: above.reduce((sum, tar) => sum + gzipSync(tar).length, 0),
  };
}

async function assertImage(dockerd, image, architecture, base) {
  const [{ Architecture, Os, Config, RootFS }] = JSON.parse(await dockerd.docker('image', 'inspect', image));
  assert.deepEqual({ Os, Architecture }, { Os: 'linux', Architecture: architecture });
  assert.deepEqual({ user: Config.User, command: Config.Cmd }, { user: '0:0', command: ['run'] });
  assert.equal(Config.Labels['org.opencontainers.image.version'], version);
  assert.equal(Config.Labels['org.opencontainers.image.revision'], revision);
  assert.equal(Config.Labels['org.opencontainers.image.licenses'], 'Apache-2.0');

  const history = (await dockerd.docker('history', '--no-trunc', '--format', '{{.CreatedBy}}', image)).split('\n');
  const own = history.slice(0, history.length - base.layers.length);
  const steps = own.map((line) => line.split(' ')[0]);
  assert.ok(!steps.includes('RUN') && !own.some((line) => line.includes('/bin/sh -c')), `the last stage runs: ${own}`);
  assert.equal(RootFS.Layers.length - base.layers.length, steps.filter((step) => step === 'COPY').length);
  say(`${architecture}: ${steps.toReversed().join(' ')} above the base`);
}

async function main() {
  const client = await findClient();
  const dockerd = await startDockerd();
  try {
    const { build, run } = await buildBases(join(dockerd.folder, 'bases'));
    await dockerd.load(build, 'stevedore.test/build-base:1');
    for (const [architecture, base] of run) await dockerd.load(base, `stevedore.test/run-base:${architecture}`);

    const secrets = await writeSecrets(join(dockerd.folder, 'secrets'));
    // Without a value docker takes the environment's; BuildKit keeps these out of the image.
    const proxies = proxyVariables.filter((name) => name in process.env).map((name) => `--build-arg=${name}`);
    const env = { DOCKER_HOST: dockerd.endpoint, DOCKER_CONFIG: join(dockerd.folder, 'client'), DOCKER_BUILDKIT: '1' };
    for (const [architecture, base] of run) {
      const startedAt = performance.now();
      const image = `stevedore.test/agent:${architecture}`;
      const bases = ['BUILD_BASE=stevedore.test/build-base:1', `RUN_BASE=stevedore.test/run-base:${architecture}`];
      const values = [...bases, `VERSION=${version}`, `REVISION=${revision}`].map((value) => `--build-arg=${value}`);
      const target = ['--network=host', '--progress=plain', `--platform=linux/${architecture}`, `--tag=${image}`];
      const args = ['build', ...target, ...values, ...proxies, ...secrets, repository];
      await runTool(client, args, { env, timeoutMs: buildTimeoutMs });
      say(`${architecture}: built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
      await assertImage(dockerd, image, architecture, base);
    }

    const { architecture } = ownPlatform();
    const image = `stevedore.test/agent:${architecture}`;
    const { bytes, compressedBytes } = await measureAboveBase(dockerd, image, run.get(architecture).layers.length);
    say(`above the base: ${(bytes / 1024).toFixed(0)} KiB, compressed ${(compressedBytes / 1024).toFixed(0)} KiB`);
    for (const line of await tryImage(dockerd, image, { version })) say(`${architecture}: ${line}`);
    say('the image is as it should be');
  } finally {
    await dockerd.remove();
  }
}

await main();
