/** `stevedore doctor` on real daemons: whom agent and runtime trust, and what Harbor and the API server tell of this node. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeCertificates } from '../harness/api-server/certificates.ts';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { busyboxImage, buildLayer } from '../harness/images.ts';
import { type NameProxy, startNameProxy } from '../harness/name-proxy.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { type Diagnosed, runDoctor } from './doctor-run.ts';
import { type AgentFolder, agentFolder } from './running-agent.ts';

const name = 'registry.stevedore.test';
const runtimes = ['containerd', 'docker'] as const;

let folder: Folder;
let files: AgentFolder;

beforeEach(async () => {
  folder = await makeFolder('stv-doctor');
  files = agentFolder(folder.path);
  await files.setLabels('zone=a');
  await mkdir(files.stateDir, { mode: 0o700 });
});
afterEach(async () => {
  await folder?.remove();
});

describeWith([...needs.containerd, ...needs.dockerd, ...needs.registry], 'an authority of its own', () => {
  const certificates = makeCertificates(name);
  let registry: TestRegistry;
  let proxy: NameProxy;
  let authorityFolder: Folder;
  let caFile: string;

  beforeAll(async () => {
    registry = await startRegistry({ tls: certificates });
    await registry.push('team/app', '1', busyboxImage([buildLayer({ seed: 'doctor', sizeBytes: 20_000 })]));
    proxy = await startNameProxy(() => Number(registry.host.split(':')[1]));
    authorityFolder = await makeFolder('stv-ca');
    caFile = join(authorityFolder.path, 'ca.crt');
    await writeFile(caFile, certificates.ca);
  });
  afterAll(async () => {
    await proxy?.remove();
    await registry?.remove();
    await authorityFolder?.remove();
  });

  const levelsOf = ({ of }: Diagnosed) =>
    [of('pull_by_agent'), of('pull_by_runtime')].map((found) => found.map(({ level }) => level).join());

  describe.each(runtimes)('on %s', (kind) => {
    /** @param trusted Go takes its authorities from there */
    const start = (trusted: boolean): Promise<Containerd | Dockerd> => {
      const env = { HTTPS_PROXY: proxy.url, NO_PROXY: '', ...(trusted ? { SSL_CERT_FILE: caFile } : {}) };
      return kind === 'containerd' ? startContainerd({ env }) : startDockerd({ env });
    };
    const configure = (trusted: boolean) =>
      files.setConfig(
        `registries: [{ host: ${name}${trusted ? `, caFile: ${caFile}` : ''} }]\nimageSets: [{ name: s, images: ["${name}/team/app:1"] }]\n`,
      );
    const look = (daemon: Containerd | Dockerd, ...more: readonly string[]) =>
      runDoctor([...files.options({ kind, endpoint: daemon.endpoint }), ...more], {
        HTTPS_PROXY: proxy.url,
        NO_PROXY: '',
      });
    const leftOn = async (daemon: Containerd | Dockerd): Promise<string> =>
      'ctr' in daemon
        ? (await daemon.ctr('leases', 'ls', '-q')) +
          (await daemon.ctr('images', 'ls', '-q')) +
          (await daemon.ctr('content', 'ls', '-q'))
        : await daemon.docker('images', '-aq');

    test('that only the agent has is missed by the runtime alone; one that both have is well, and nothing stays', async () => {
      const daemon = await start(false);
      try {
        await configure(true);
        const ran = await look(daemon);
        expect(levelsOf(ran)).toEqual(['ok', 'failure']);
        expect(ran.of('pull_by_runtime')[0]).toMatchObject({
          subject: `${name}/team/app`,
          message: expect.stringMatching(/x509: certificate signed by unknown authority/),
          advice: expect.stringContaining(`/etc/docker/certs.d/${name}/ca.crt`),
        });
        expect(ran.code).toBe(1);
        expect((await leftOn(daemon)).trim()).toBe('');
      } finally {
        await daemon.remove();
      }
    });

    test('that only the runtime has is missed by the agent alone', async () => {
      const daemon = await start(true);
      try {
        await configure(false);
        const ran = await look(daemon);
        expect(levelsOf(ran)).toEqual(['failure', 'ok']);
        expect(ran.of('pull_by_agent')[0]).toMatchObject({
          message: expect.stringMatching(/is not trusted/),
          advice: expect.stringContaining('caFile'),
        });
        await configure(true);
        expect(levelsOf(await look(daemon))).toEqual(['ok', 'ok']);
        expect((await leftOn(daemon)).trim()).toBe('');
        const real = await look(daemon, '--pull', `${name}/team/app:1`);
        expect(real.of('pull_by_runtime').at(-1)).toMatchObject({
          level: 'ok',
          subject: `${name}/team/app:1`,
          message: expect.stringMatching(/^pulled in/),
        });
        const again = await look(daemon, '--pull', `${name}/team/app:1`);
        expect(again.of('pull_by_runtime').at(-1)).toMatchObject({
          level: 'ok',
          message: expect.stringMatching(/^was here already/),
        });
      } finally {
        await daemon.remove();
      }
    });
  });
});
