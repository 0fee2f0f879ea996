/** The command line as a process: what a script or a service manager sees of it. No container runtime is needed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const main = join(root, 'agent/main.ts');
const launcher = join(root, 'agent/bin/stevedore.js');
/** A Node that is too old for the sources, where the machine has one. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => existsSync(path));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the first line of standard output that matches. */
  line(pattern: RegExp): Promise<string>;
}

let folder: string;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-cli-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

/** `detached`: in a process group of its own, which can be signalled as a terminal would. */
function start(
  command: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  stdin = '',
  { detached = false }: { readonly detached?: boolean } = {},
): Running {
  const [program = '', ...argv] = command;
  const { PATH } = process.env;
  const child = spawn(program, argv, { env: { PATH, ...environment }, detached });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined).end(stdin);
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode, stdout, stderr }));
  const line = async (pattern: RegExp): Promise<string> => {
    while (true) {
      const found = stdout.split('\n').find((candidate) => pattern.test(candidate));
      if (found !== undefined) return found;
      await Promise.race([once(child.stdout, 'data'), ended]);
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stdout}${stderr}`);
    }
  };
  return { child, ended, line };
}

function stevedore(argv: readonly string[], environment?: NodeJS.ProcessEnv, stdin?: string): Promise<Ended> {
  return start([process.execPath, main, ...argv], environment, stdin).ended;
}

/** An agent that waits for a runtime that never comes. */
async function waitingAgentOptions(): Promise<string[]> {
  const config = join(folder, 'config.yaml');
  await writeFile(config, 'imageSets:\n  - name: base\n    images: [busybox:1]\n');
  const endpoint = `unix://${folder}/runtime.sock`;
  const state = join(folder, 'state');
  return [
    '--config',
    config,
    '--runtime',
    'docker',
    '--endpoint',
    endpoint,
    '--state-dir',
    state,
    '--listen',
    '127.0.0.1:0',
  ];
}

async function startAgent(
  command: readonly string[] = [process.execPath, main],
  options: { readonly detached?: boolean } = {},
): Promise<Running & { url: string }> {
  const running = start([...command, 'run', ...(await waitingAgentOptions())], {}, '', options);
  const { port } = JSON.parse(await running.line(/"listening"/)) as { port: number };
  return { ...running, url: `http://127.0.0.1:${port}` };
}

describe('stevedore', () => {
  it('prints its version', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await stevedore(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('prints help on standard output, and usage errors on standard error with exit code 2', async () => {
    const help = await stevedore(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Exit codes:');
    const mistake = await stevedore(['plan', '--runtme', 'docker']);
    expect(mistake).toMatchObject({ code: 2, stdout: '' });
    expect(mistake.stderr).toBe(
      "stevedore: unknown option '--runtme'\n(Did you mean --runtime?)\nRun 'stevedore --help' for what there is.\n",
    );
  });

  it('checks a configuration, from a file, the environment and standard input', async () => {
    const file = join(folder, 'config.yaml');
    await writeFile(file, 'imageSets:\n  - name: base\n    imags: []\n');
    const checked = await stevedore(['check', file]);
    expect(checked).toMatchObject({ code: 1, stderr: '' });
    expect(checked.stdout).toContain(`${file}:3: imageSets[0].imags`);
    expect((await stevedore(['check'], { STEVEDORE_CONFIG: file })).stdout).toBe(checked.stdout);
    expect(await stevedore(['check', '-'], {}, 'imageSets: []\n')).toMatchObject({ code: 0 });
  });

  it('lets the command line win over the environment, and names the variable that is wrong', async () => {
    expect(await stevedore(['check', '-'], { STEVEDORE_RUNTIME: 'dokcer' })).toMatchObject({
      code: 2,
      stderr: 'stevedore: STEVEDORE_RUNTIME "dokcer": must be one of auto, docker, containerd, cri\n',
    });
    expect(await stevedore(['check', '-', '--runtime', 'cri'], { STEVEDORE_RUNTIME: 'dokcer' })).toMatchObject({
      code: 0,
    });
  });

  it('is quiet when its reader has seen enough', async () => {
    const options = await waitingAgentOptions();
    const piped = start(['sh', '-c', '"$0" "$@" | true', process.execPath, main, 'run', ...options]);
    expect(await piped.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('does not claim success when its output could not be written', async () => {
    const full = start(
      ['sh', '-c', '"$0" "$@" > /dev/full', process.execPath, main, 'check', '-'],
      {},
      'imageSets: []\n',
    );
    expect(await full.ended).toMatchObject({ code: 1 });
  });

  it('says in one line what a one-shot command lacks', async () => {
    const options = await waitingAgentOptions();
    for (const command of ['plan', 'pull']) {
      const { code, stdout, stderr } = await stevedore([command, ...options]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^stevedore: .*runtime\.sock.*\n$/);
    }
  });
});

describe('stevedore run, and signals', () => {
  it('lives without being ready while it waits for its runtime, and exits 0 on SIGTERM', async () => {
    const agent = await startAgent();
    expect((await fetch(`${agent.url}/livez`)).status).toBe(200);
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(503);
    expect(await (await fetch(`${agent.url}/metrics`)).text()).toContain('stevedore_runtime_up 0');
    const askedAt = Date.now();
    agent.child.kill('SIGTERM');
    expect(await agent.ended).toMatchObject({ code: 0, stderr: '' });
    expect(Date.now() - askedAt).toBeLessThan(5000);
  });

  it('keeps a second agent off its state folder, and a killed one blocks nobody', async () => {
    const agent = await startAgent();
    expect(await stevedore(['run', ...(await waitingAgentOptions())])).toMatchObject({
      code: 4,
      stderr: `stevedore: the state folder ${folder}/state is in use by another stevedore process\n`,
    });
    agent.child.kill('SIGKILL');
    await agent.ended;
    const next = await startAgent();
    next.child.kill('SIGINT');
    expect(await next.ended).toMatchObject({ code: 0 });
  });

  it('exits 1 and says so when its port is taken', async () => {
    const agent = await startAgent();
    const port = new URL(agent.url).port;
    const options = [
      ...(await waitingAgentOptions()),
      '--state-dir',
      join(folder, 'other'),
      '--listen',
      `127.0.0.1:${port}`,
    ];
    expect(await stevedore(['run', ...options])).toMatchObject({
      code: 1,
      stderr: `stevedore: cannot listen on 127.0.0.1:${port}: another process listens there\n`,
    });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('leaves at once on a second %s, however busy it is', async (signal, code) => {
    const busy = await startBusy();
    busy.child.kill(signal);
    await busy.line(/stopping/);
    expect(busy.child.exitCode).toBeNull();
    busy.child.kill(signal);
    expect(await busy.ended).toMatchObject({ code });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends a one-shot command on %s with the exit code of undone work', async (signal, code) => {
    const busy = await startBusy('pull');
    busy.child.kill(signal);
    expect(await busy.ended).toMatchObject({ code, stderr: '' });
  });

  it('leaves within 5 s of SIGTERM, whatever hangs', async () => {
    const busy = await startBusy();
    const askedAt = Date.now();
    busy.child.kill('SIGTERM');
    const { code, stderr } = await busy.ended;
    expect(Date.now() - askedAt).toBeLessThan(5000);
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'stevedore: still busy 4.5 s after SIGTERM: leaving\n' });
  });
});

/**
 * main.ts as it is, with an agent in the place of the real one that never is done: its `run` does not even stop when it is told to.
 */
async function startBusy(command: 'run' | 'pull' = 'run'): Promise<Running> {
  const copy = join(folder, 'busy');
  await mkdir(join(copy, 'agent'), { recursive: true });
  await cp(join(root, 'agent'), join(copy, 'agent'), { recursive: true });
  await cp(join(root, 'package.json'), join(copy, 'package.json'));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await writeFile(
    join(copy, 'agent/agent.ts'),
    `export function createAgent() {
      const untilAborted = (signal: AbortSignal, end: () => void) => {
        setInterval(() => undefined, 1000);
        signal.addEventListener('abort', end);
        process.stdout.write('busy\\n');
      };
      return {
        run: (signal: AbortSignal) =>
          new Promise<void>(() => untilAborted(signal, () => process.stdout.write('stopping\\n'))),
        pullRound: (_onEvent: unknown, signal: AbortSignal) =>
          new Promise<void>((_resolve, reject) => untilAborted(signal, () => reject(signal.reason))),
      };
    }`,
  );
  const running = start([process.execPath, join(copy, 'agent/main.ts'), command, '--state-dir', join(folder, 'state')]);
  await running.line(/busy/);
  return running;
}

describe('the launcher', () => {
  it('runs in its own process where Node is new enough', async () => {
    const agent = await startAgent([process.execPath, launcher]);
    agent.child.kill('SIGTERM');
    expect(await agent.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('names the missing step in a bare clone', async () => {
    const clone = join(folder, 'clone');
    await cp(join(root, 'agent/bin'), join(clone, 'agent/bin'), { recursive: true });
    await writeFile(join(clone, 'package.json'), '{"type":"module"}');
    expect(await start([process.execPath, join(clone, 'agent/bin/stevedore.js'), 'plan']).ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `stevedore: the npm packages are missing: run 'npm ci' in ${clone} first\n`,
    });
  });

  describe.skipIf(oldNode === undefined)(`on the machine's own Node (${oldNode})`, () => {
    const command = [oldNode ?? '', launcher];

    it('passes arguments, input, output and exit code on', async () => {
      const ended = await start([...command, 'check', '-', '--json'], {}, 'imageSets: 3\n').ended;
      expect(ended).toMatchObject({ code: 1, stderr: '' });
      expect(JSON.parse(ended.stdout)).toMatchObject({ outcome: 'error' });
    });

    it('passes a signal on, and takes one that both got for one', async () => {
      const agent = await startAgent(command);
      agent.child.kill('SIGTERM');
      expect(await agent.ended).toMatchObject({ code: 0, stderr: '' });

      const grouped = await startAgent(command, { detached: true });
      process.kill(-(grouped.child.pid ?? 0), 'SIGINT');
      expect(await grouped.ended).toMatchObject({ code: 0, stderr: '' });
    });

    it('leaves no agent behind when it is killed', async () => {
      const agent = await startAgent(command);
      agent.child.kill('SIGKILL');
      await agent.ended;
      await expect(fetch(`${agent.url}/livez`)).rejects.toThrow();
    });
  });
});
