import { chmod, readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createControlServer } from '../../../agent/control/control-server.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { toPlanDocument } from '../../../agent/core/plan-document.ts';
import { longReference, makeStateFolder, runStevedore, samplePlan } from './command-line.ts';

const agent = { plan: () => Promise.resolve(samplePlan) };
let folder: Awaited<ReturnType<typeof makeStateFolder>>;
let stopping: AbortController;
let state: readonly string[];

beforeEach(async () => {
  folder = await makeStateFolder();
  stopping = new AbortController();
  state = ['--state-dir', folder.path];
});
afterEach(async () => {
  stopping.abort();
  await chmod(folder.path, 0o700);
  await folder.remove();
});

async function runAgent(): Promise<void> {
  const running = { ...toPlanDocument(samplePlan), node: { name: 'from-the-agent', labels: {} } };
  const server = createControlServer(folder.path, {
    plan: () => Promise.resolve(running),
    followRound: () => Promise.reject(),
    pruneRound: () => Promise.reject(),
  });
  await server.start(stopping.signal);
}

describe('stevedore plan', () => {
  it('shows every image with state, reason and size, and why the others are not pulled', async () => {
    const { exitCode, stdout, stderr } = await runStevedore(['plan', ...state], { agent });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe(
      `Node gpu-1, docker 20.10.24

IMAGE                                                                             SETS  STATE    WHY         SIZE
${longReference}  gpu   next     absent   4.2 GiB
docker.io/library/busybox:1                                                       gpu   waiting  backoff        -
evil.example.com/miner:1                                                          gpu   refused  policy         -
docker.io/library/alpine:3                                                        gpu   present           7.3 MiB

Waiting:
  docker.io/library/busybox:1
    backoff until 2026-01-02T01:00:00.000Z: connection refused

Refused:
  evil.example.com/miner:1
    policy, not_allowed: prefetch.allow does not match it

Not selected:
  edge
    zone=edge: the node has no label zone

4 images: 1 to pull (4.2 GiB to download), 1 waiting, 1 refused, 1 present
`,
    );
  });

  it('says at the top what on the node holds pulls back', async () => {
    const hold = { reason: 'drain', message: 'the node is cordoned: spec.unschedulable is true' } as const;
    const held = { ...agent, plan: () => Promise.resolve({ ...samplePlan, hold }) };
    const { stdout } = await runStevedore(['plan', ...state], { agent: held });
    expect(stdout.split('\n\n')[1]).toBe('Nothing is pulled now: the node is cordoned: spec.unschedulable is true');
  });

  it('fits its table into a terminal of 80 columns and loses nothing', async () => {
    const { stdout } = await runStevedore(['plan', ...state], { agent, columns: 80 });
    const table = stdout.split('\n\n')[1]?.split('\n') ?? [];
    for (const line of table) expect(line.length).toBeLessThanOrEqual(80);
    const name = table
      .slice(1, 3)
      .map((line) => line.split(' ')[0])
      .join('');
    expect(name).toBe(longReference);
  });

  it('says so when no set asks for anything', async () => {
    const plan = { ...samplePlan.plan, pulls: [], waiting: [], present: [], refused: [] };
    const { stdout } = await runStevedore(['plan', ...state], {
      agent: { plan: () => Promise.resolve({ ...samplePlan, plan }) },
    });
    expect(stdout).toContain('No image set asks this node for an image.');
    expect(stdout).toContain('0 images: 0 to pull, 0 waiting, 0 refused, 0 present');
  });

  it('prints the plan document as JSON', async () => {
    const { exitCode, stdout } = await runStevedore(['plan', '--json', ...state], { agent });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(toPlanDocument(samplePlan));
  });

  it('asks the agent that runs on the state folder', async () => {
    await runAgent();
    const { stdout } = await runStevedore(['plan', ...state]);
    expect(stdout).toMatch(/^Node from-the-agent,/);
    // The variables are the agent's own, as in its container.
    const environment = { STEVEDORE_STATE_DIR: folder.path, STEVEDORE_LABELS: 'a=b', STEVEDORE_RUNTIME: 'docker' };
    expect((await runStevedore(['plan'], { environment })).stdout).toMatch(/^Node from-the-agent,/);
  });

  it.each([
    ['--config', '/x'],
    ['--label', 'a=b'],
    ['--labels-file', '/x'],
    ['--runtime', 'docker'],
    ['--endpoint', 'unix:///x'],
    ['--own-image', 'agent:1'],
  ])('looks by itself when %s says what to look at', async (option, value) => {
    await runAgent();
    const { stdout } = await runStevedore(['plan', ...state, option, value], { agent });
    expect(stdout).toMatch(/^Node gpu-1,/);
  });

  it.each([
    ['--node-name', 'n'],
    ['--kubeconfig', '/x'],
    ['--namespace', 'n'],
    ['--config-map', 'n'],
    ['--gate-taint', 'n'],
  ])('looks by itself when %s says so in a cluster; the pod has it as a variable', async (option, value) => {
    await runAgent();
    const environment = { KUBERNETES_SERVICE_HOST: 'x', STEVEDORE_NODE_NAME: 'from-the-environment' };
    const given = ['plan', ...state, option, value];
    expect((await runStevedore(given, { agent, environment })).stdout).toMatch(/^Node gpu-1,/);
    expect((await runStevedore(['plan', ...state], { environment })).stdout).toMatch(/^Node from-the-agent,/);
  });

  it('passes on what the agent answers instead of a plan', async () => {
    const server = createControlServer(folder.path, {
      plan: () => Promise.reject(new Failure('runtime', 'nobody answers on /run/x.sock')),
      followRound: () => Promise.reject(),
      pruneRound: () => Promise.reject(),
    });
    await server.start(stopping.signal);
    expect(await runStevedore(['plan', ...state], { agent })).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: 'stevedore: nobody answers on /run/x.sock\n',
    });
  });

  it('writes nothing, and needs no state folder', async () => {
    await runStevedore(['plan', ...state], { agent });
    expect(await readdir(folder.path)).toEqual([]);
    const { exitCode } = await runStevedore(['plan', '--state-dir', `${folder.path}/missing`], { agent });
    expect(exitCode).toBe(0);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('says on standard error what went wrong, and exits 1', async () => {
    const plan = () =>
      Promise.reject(new Failure('runtime', 'nobody answers on /run/x.sock', { detail: 'unavailable' }));
    expect(await runStevedore(['plan', ...state], { agent: { plan } })).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: 'stevedore: nobody answers on /run/x.sock\n',
    });
  });
});
