/** `stevedore doctor` on a Harbor: its state, its projects, what the robot may do there, and pulls by agent and runtime. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeCertificates } from '../harness/api-server/certificates.ts';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type Harbor, type Login, parseRights, startHarbor } from '../harness/harbor/harbor.ts';
import { busyboxImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { type Diagnosed, runDoctor } from './doctor-run.ts';
import { type AgentFolder, agentFolder } from './running-agent.ts';

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

async function configure(
  harbor: Harbor,
  login: Login,
  images: readonly string[],
  more = '',
  registry = 'plainHTTP: true',
): Promise<void> {
  const [user, password] = [join(folder.path, 'user'), join(folder.path, 'password')];
  await writeFile(user, login.username);
  await writeFile(password, login.password);
  const sets = images.map((image) => JSON.stringify(`${harbor.host}/${image}`)).join(', ');
  await files.setConfig(`
registries: [{ host: "${harbor.host}", harbor: true, ${registry} }]
credentials: [{ host: "${harbor.host}", usernameFile: ${user}, passwordFile: ${password} }]
imageSets:
  - { name: s, images: [${sets}] }
${more}`);
}

describeWith([...needs.containerd, ...needs.registry], 'on a Harbor', () => {
  let harbor: Harbor;
  let containerd: Containerd;

  beforeAll(async () => {
    [harbor, containerd] = await Promise.all([startHarbor(), startContainerd()]);
    harbor.addProject('app');
    harbor.addProject('closed');
    harbor.addProject('px', { proxyOf: harbor.upstream });
    const image = busyboxImage([buildLayer({ seed: 'doctor harbor', sizeBytes: 20_000 })]);
    await harbor.push('app/team/web', 'v1', image);
    await harbor.upstream.registry.push('lib/app', 'v1', image);
  });
  afterAll(async () => {
    await containerd?.remove();
    await harbor?.remove();
  });
  afterEach(async () => {
    await harbor.upstream.setState('healthy');
    harbor.installation.clockSkewMs = 0;
    harbor.installation.unhealthy.clear();
  });

  const look = (): Promise<Diagnosed> =>
    runDoctor(files.options({ kind: 'containerd', endpoint: containerd.endpoint }));
  const projectRights =
    'project:read repository:pull repository:list artifact:list artifact:read tag-retention:read quota:read';

  function robotWith(name: string, project: string, system = ''): Login {
    const all = [
      ...(project === ''
        ? []
        : [{ kind: 'project' as const, namespace: '*', access: parseRights(...project.split(' ')) }]),
      ...(system === ''
        ? []
        : [{ kind: 'system' as const, namespace: '/', access: parseRights(...system.split(' ')) }]),
    ];
    return harbor.loginOf(harbor.addRobot({ name, permissions: all }));
  }

  test('that is well, with a robot that has all rights, everything is ok', async () => {
    await configure(harbor, robotWith('all', projectRights, 'registry:read robot:list'), [
      'app/team/web:v1',
      'px/lib/app:v1',
    ]);
    const { levels, code, report } = await look();
    expect(levels).toEqual({
      configuration: ['ok'],
      runtime: ['ok'],
      image_filesystem: [expect.any(String)],
      state_folder: ['ok'],
      kubelet: ['not_checked'],
      containerd_config: ['not_checked'],
      registry_mirrors: ['not_checked'],
      decompressor: ['not_checked'],
      content_store: ['not_checked'],
      harbor: ['ok'],
      clock: ['ok'],
      harbor_health: ['ok'],
      credential: ['ok'],
      robot: ['ok'],
      project: ['ok', 'ok'],
      permissions: ['ok', 'ok'],
      proxy_project: ['ok'],
      upstream: ['ok'],
      retention: ['ok'],
      token_realm: ['ok'],
      pull_by_agent: ['ok', 'ok'],
      pull_by_runtime: ['ok', 'ok'],
    });
    // This machine's own disk may stand above a watermark.
    expect(code).toBe({ ok: 0, not_checked: 0, warning: 3, failure: 1 }[report.worst]);
    const left = await containerd.ctr('images', 'ls', '-q');
    expect([left, await containerd.ctr('leases', 'ls', '-q')]).toEqual(['', '']);
  });

  test('a pull-only robot: what it cannot see is not checked, what patterns need is a failure', async () => {
    const pattern = `  - { name: p, images: [{ repository: "${harbor.host}/app/**" }] }`;
    await configure(harbor, robotWith('pull', 'repository:pull'), ['app/team/web:v1', 'px/lib/app:v1']);
    const before = await look();
    expect(before.levels).toMatchObject({
      robot: ['not_checked'],
      permissions: ['ok', 'not_checked', 'warning', 'not_checked'],
      upstream: ['not_checked'],
      pull_by_runtime: ['ok', 'ok'],
    });
    await configure(harbor, robotWith('pull2', 'repository:pull'), ['app/team/web:v1'], pattern);
    const { lines, code } = await look();
    expect(lines('permissions')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^failure .*repository:list is missing/),
        expect.stringMatching(/^failure .*artifact:list is missing/),
      ]),
    );
    expect(code).toBe(1);
  });

  test('absent and forbidden projects are told apart, and not pulled from', async () => {
    const robot = harbor.addRobot({ project: 'app', name: 'own', permissions: parseRights('repository:pull') });
    await configure(harbor, harbor.loginOf(robot), ['app/team/web:v1', 'closed/x:1', 'nosuch/x:1']);
    harbor.requests.length = 0;
    const { lines } = await look();
    expect(lines('project')).toEqual([
      `ok ${harbor.host}/app: is there`,
      `failure ${harbor.host}/closed: exists, but this account has no right in it`,
      `failure ${harbor.host}/nosuch: does not exist`,
    ]);
    expect(lines('pull_by_runtime')).toEqual([
      expect.stringMatching(/^ok /),
      `not_checked ${harbor.host}/closed/x: see what is said of its project`,
      `not_checked ${harbor.host}/nosuch/x: see what is said of its project`,
    ]);
    expect(harbor.requests.filter(({ path }) => /^\/v2\/(?:closed|nosuch)\//.test(path))).toEqual([]);
  });

  test('a wrong secret, a sick component, clocks apart and an upstream that is away are failures each by its name', async () => {
    const login = robotWith('sick', projectRights, 'registry:read');
    await harbor.upstream.setState('unhealthy');
    harbor.installation.clockSkewMs = 120_000;
    harbor.installation.unhealthy.set('jobservice', 'connection refused');
    await configure(harbor, login, ['px/lib/app:v1']);
    const sick = await look();
    expect(sick.levels).toMatchObject({
      clock: ['failure'],
      harbor_health: ['failure', 'ok'],
      upstream: ['failure'],
      pull_by_agent: ['warning'],
    });
    await configure(harbor, { ...login, password: 'wrong' }, ['px/lib/app:v1']);
    const wrong = await look();
    expect(wrong.levels).toMatchObject({
      harbor: ['warning'],
      clock: ['not_checked'],
      credential: ['failure'],
      project: ['not_checked'],
      pull_by_agent: ['failure'],
      pull_by_runtime: ['failure'],
    });
    expect(JSON.stringify(wrong.report)).not.toContain(login.password);
  });

  test('a Harbor that is away: said once, and the runtime is asked all the same', async () => {
    await configure(harbor, robotWith('away', projectRights), ['app/team/web:v1', 'px/lib/app:v1']);
    await harbor.stop();
    try {
      const { levels } = await look();
      expect(levels).toMatchObject({
        harbor: ['failure'],
        project: ['not_checked'],
        pull_by_agent: ['failure', 'not_checked'],
        pull_by_runtime: ['failure', 'not_checked'],
      });
    } finally {
      await harbor.start();
    }
  });
});

describeWith(needs.registry, 'a Harbor over TLS', () => {
  test('that names an http token service is told as such, and gets no credential', async () => {
    const certificates = makeCertificates();
    const harbor = await startHarbor({ tls: certificates });
    try {
      const caFile = join(folder.path, 'ca.crt');
      await writeFile(caFile, certificates.ca);
      harbor.addProject('app');
      const robot = harbor.addRobot({ project: 'app', name: 'own', permissions: parseRights('repository:pull') });
      await configure(harbor, harbor.loginOf(robot), ['app/team/web:v1'], '', `caFile: ${caFile}`);
      const nowhere = [
        '--config',
        join(folder.path, 'config.yaml'),
        '--endpoint',
        `unix://${folder.path}/none.sock`,
        '--state-dir',
        files.stateDir,
      ];
      expect((await runDoctor(nowhere)).levels).toMatchObject({
        token_realm: ['ok'],
        pull_by_agent: ['ok'],
        runtime: ['failure'],
        pull_by_runtime: ['not_checked'],
      });
      harbor.installation.externalScheme = 'http';
      const { lines, levels } = await runDoctor(nowhere);
      expect(lines('token_realm')).toEqual([expect.stringMatching(/^failure .*plain http token service/)]);
      expect(levels['pull_by_agent']).toBeUndefined();
    } finally {
      await harbor.remove();
    }
  });
});
