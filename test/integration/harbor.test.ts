/** Without Kubernetes: one agent with a Harbor resolves, warms and pulls by itself, on real daemons. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Containerd, startContainerd } from '../harness/containerd.ts';
import { type Dockerd, startDockerd } from '../harness/dockerd.ts';
import { type Folder, makeFolder } from '../harness/folder.ts';
import { type Harbor, parseRights, startHarbor } from '../harness/harbor/harbor.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { describeWith, needs } from '../harness/needs.ts';
import { type AgentFolder, agentFolder, type RunningAgent, startAgent, stevedore, until } from './running-agent.ts';

const rights =
  'repository:pull repository:list repository:read artifact:list artifact:read accessory:list project:read';
const longMs = 60_000;
/** Some wait for several rounds of 10 s. */
const timeout = 300_000;
const sample = (seed: string) => buildImage({ layers: [buildLayer({ seed: `harbor ${seed}`, sizeBytes: 3e6 })] });

for (const kind of ['containerd', 'docker'] as const) {
  const daemonNeeds = kind === 'docker' ? needs.dockerd : needs.containerd;
  describeWith([...daemonNeeds, ...needs.registry], `with a Harbor, on ${kind}`, () => suite(kind));
}

function suite(kind: 'containerd' | 'docker'): void {
  let daemon: Containerd | Dockerd;
  let harbor: Harbor;
  let folder: Folder;
  let files: AgentFolder;
  let agent: RunningAgent | undefined;
  let options: string[];
  let count = 0;

  beforeAll(async () => {
    harbor = await startHarbor();
    daemon = kind === 'docker' ? await startDockerd() : await startContainerd();
    harbor.addProject('px', { proxyOf: harbor.upstream });
    harbor.addProject('ml');
    harbor.addProject('strict', { metadata: { prevent_vul: 'true', severity: 'high' } });
  });

  afterAll(async () => {
    await daemon?.remove();
    await harbor?.remove();
  });

  beforeEach(async () => {
    count += 1;
    folder = await makeFolder('stv-i');
    files = agentFolder(folder.path);
    options = files.options({ kind, endpoint: daemon.endpoint });
    await files.setLabels('zone=a');
    const permissions = [{ kind: 'project', namespace: '*', access: parseRights(...rights.split(' ')) }] as const;
    const robot = harbor.addRobot({ name: `agent-${kind}-${count}`, permissions });
    const { username, password } = harbor.loginOf(robot);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    await mkdir(folder.path, { recursive: true });
    await writeFile(join(folder.path, 'auth.json'), JSON.stringify({ auths: { [harbor.host]: { auth } } }));
  });

  afterEach(async () => {
    await agent?.stop();
    agent = undefined;
    await harbor.upstream.setState('healthy');
    await folder.remove();
  });

  function config(images: readonly unknown[], more = ''): string {
    const registry = `registries: [{ host: "${harbor.host}", plainHTTP: true, harbor: true }]`;
    const credentials = `credentials: [${join(folder.path, 'auth.json')}]`;
    const set = `imageSets: [{ name: s, pullPolicy: Always, refreshEvery: 10s, images: ${JSON.stringify(images)} }]`;
    return `${registry}\n${credentials}\n${set}\ncoordinator: { interval: 10s }\n${more}`;
  }

  async function names(): Promise<string[]> {
    const listed =
      'docker' in daemon
        ? await daemon.docker('images', '--format', '{{.Repository}}:{{.Tag}}')
        : await daemon.ctr('images', 'ls', '-q');
    return listed.split('\n').filter((name) => name.startsWith(harbor.host));
  }

  /** Undefined: there is none yet. */
  async function plan(): Promise<Record<string, unknown> | undefined> {
    const answer = await fetch(`${agent?.url}/v1/plan`);
    return answer.ok ? ((await answer.json()) as Record<string, unknown>) : undefined;
  }

  /** Another repository for every test. */
  async function pushUpstream(seed: string): Promise<{ name: string; reference: string }> {
    const name = `lib/${kind}-${count}`;
    await harbor.upstream.registry.push(name, 'v1', sample(`${kind} ${seed}`));
    return { name, reference: `${harbor.host}/px/${name}:v1` };
  }

  test('an image behind a proxy cache is warmed, pulled by its child and held by its tag; an outage is no release, a release is one', {
    timeout,
  }, async () => {
    const { name, reference } = await pushUpstream(`proxied ${count}`);
    harbor.requests.length = 0;
    await files.setConfig(config([reference]));
    agent = await startAgent(options);
    await until('the image by its tag', async () => (await names()).includes(reference), longMs);
    expect(await agent.metric('image_pulls_total')).toBe(1);
    // By the child's digest, and after it was warm: the runtime's requests cost the upstream nothing.
    const pulled = harbor.requests.filter(({ userAgent }) => userAgent?.startsWith('stevedore') !== true);
    expect(pulled.filter(({ path }) => path.endsWith('/manifests/v1'))).toEqual([]);
    expect(pulled.filter(({ upstream }) => upstream.heads + upstream.manifests + upstream.blobs > 0)).toEqual([]);

    await harbor.upstream.setState('down');
    const rounds = () => harbor.requests.filter(({ method, path }) => method === 'HEAD' && path.includes(name)).length;
    const before = rounds();
    await until('more rounds', () => rounds() > before + 2, longMs);
    expect(await agent.metric('image_pulls_total')).toBe(1);
    await harbor.upstream.setState('healthy');

    await harbor.upstream.registry.push(name, 'v1', sample(`${kind} next ${count}`));
    await until('the release', async () => (await agent?.metric('image_pulls_total')) === 2, longMs);
  });

  test('what Harbor refuses is not pulled, and is told in its own words', { timeout }, async () => {
    const { reference } = await harbor.push(`strict/app-${count}`, 'v1', sample(`${kind} strict ${count}`));
    harbor.artifact(`strict/app-${count}`, 'v1').scan = {
      status: 'Success',
      severity: 'Critical',
      counts: { Critical: 1 },
    };
    await files.setConfig(config([reference]));
    agent = await startAgent(options);
    const refused = await until(
      'the refusal',
      async () => {
        const found = (await plan())?.['refused'] as { reference: string; message: string }[] | undefined;
        return found?.find((one) => one.reference === reference);
      },
      longMs,
    );
    expect(refused.message).toContain('vulnerabilit');
    expect(await names()).not.toContain(reference);
    expect(await agent.metric('image_pulls_total')).toBe(0);
    harbor.artifact(`strict/app-${count}`, 'v1').scan = { status: 'Success', severity: 'Low', counts: { Low: 1 } };
    await until('the image once its scan is better', async () => (await names()).includes(reference), longMs);
  });

  test('a pattern is resolved to its images; what it leaves out and why is in the plan; a restart without Harbor knows them', {
    timeout,
  }, async () => {
    const repository = `ml/model-${kind}-${count}`;
    for (const tag of ['v1', 'v2', 'draft']) await harbor.push(repository, tag, sample(`${kind} ${tag} ${count}`));
    const pattern = { repository: `${harbor.host}/${repository}`, tags: { match: 'v*', newest: 1 } };
    await files.setConfig(config([pattern]));
    agent = await startAgent(options);
    const member = `${harbor.host}/${repository}:v2`;
    await until('the newest', async () => (await names()).includes(member), longMs);
    expect(await names()).not.toContain(`${harbor.host}/${repository}:v1`);
    const shown = await stevedore(['plan', ...options]);
    expect(shown.stdout).toContain('draft');
    await agent.stop();
    await harbor.stop();
    try {
      agent = await startAgent(options);
      await until(
        'the member again',
        async () => {
          const sets = (await plan())?.['imageSets'] as { desired: number; present: number }[] | undefined;
          return sets?.[0]?.desired === 1 && sets[0].present === 1;
        },
        longMs,
      );
    } finally {
      await harbor.start();
    }
  });

  test('plan and pull without a running agent resolve once', async () => {
    const repository = `ml/once-${kind}-${count}`;
    await harbor.push(repository, 'v1', sample(`${kind} once ${count}`));
    await files.setConfig(config([{ repository: `${harbor.host}/${repository}`, tags: { match: '*' } }]));
    const shown = await stevedore(['plan', '--json', ...options]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      resolution: { resolvedBy: 'self' },
      pulls: [{ reference: `${harbor.host}/${repository}:v1` }],
    });
    expect((await stevedore(['pull', ...options])).code).toBe(0);
    expect(await names()).toContain(`${harbor.host}/${repository}:v1`);
  });
}
