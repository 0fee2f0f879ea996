/** The agent as the container image runs it: the bundle on Node 24 with the image's flags. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Folder, folderMark } from '../harness/folder.ts';
import type { BenchRuntime } from './runtime.ts';

export const bundle = fileURLToPath(new URL('../../dist/stevedore.mjs', import.meta.url));
const dockerfile = fileURLToPath(new URL('../../Dockerfile', import.meta.url));
const readyTimeoutMs = 30_000;

export interface LogEntry {
  readonly message?: string;
  readonly image?: string;
  /** `performance.now()` of this process when the line came. */
  readonly seenAt: number;
}

export interface BenchAgent {
  readonly pid: number;
  readonly url: string;
  /** From spawning the process to the first 200 of /readyz. */
  readonly readyMs: number;
  readonly log: readonly LogEntry[];
  /** Resolves when `count` lines with this message have been seen since the agent's start. @throws Error when it ends before */
  logged(message: string, count: number, signal: AbortSignal): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface AgentFiles {
  setConfiguration(yaml: string): Promise<void>;
  setLabels(labels: Readonly<Record<string, string>>): Promise<void>;
  readonly args: readonly string[];
  readonly stateDir: string;
  readonly folder: Folder;
}

/** Configuration, labels and state of one agent, all in a folder of `name` below the bench's. */
export async function makeAgentFiles(folder: Folder, name: string, runtime: BenchRuntime): Promise<AgentFiles> {
  const path = join(folder.path, name);
  await mkdir(path, { recursive: true });
  const put = async (file: string, text: string): Promise<void> => {
    await writeFile(join(path, `${file}.new`), text);
    await rename(join(path, `${file}.new`), join(path, file));
  };
  const setConfiguration = (yaml: string): Promise<void> => put('config.yaml', yaml);
  const setLabels = (labels: Readonly<Record<string, string>>): Promise<void> =>
    put(
      'labels',
      `${Object.entries(labels)
        .map((pair) => pair.join('='))
        .join('\n')}\n`,
    );
  await setConfiguration('imageSets: []\n');
  await setLabels({ node: 'bench' });
  const stateDir = join(path, 'state');
  const args = [
    ['--config', join(path, 'config.yaml'), '--labels-file', join(path, 'labels')],
    ['--runtime', runtime.kind, '--endpoint', runtime.endpoint, '--state-dir', stateDir],
  ].flat();
  return { setConfiguration, setLabels, args, stateDir, folder };
}

/** A configuration of image sets: name → the label that selects it (undefined: every node) and its images. */
export function toConfiguration(
  host: string,
  sets: readonly { readonly name: string; readonly label?: string; readonly images: readonly string[] }[],
): string {
  return JSON.stringify({
    registries: [{ host, plainHTTP: true }],
    // The disk of the machine that measures may be full beyond the default; that is not what is measured.
    prune: { watermarks: { low: '98%', high: '99%', critical: '99.9%' } },
    imageSets: sets.map(({ name, label, images }) => ({
      name,
      images,
      ...(label === undefined ? {} : { nodeSelector: { matchExpressions: [{ key: label, operator: 'Exists' }] } }),
    })),
  });
}

/** Node's flags in the image's ENTRYPOINT. */
export async function readImageFlags(): Promise<readonly string[]> {
  const text = await readFile(dockerfile, 'utf8').catch(() => '');
  const entrypoint = /^ENTRYPOINT\s+(\[[^\]]+\])/m.exec(text.replaceAll(/\\\n/g, ' '))?.[1];
  if (entrypoint === undefined) return ['--max-semi-space-size=1', '--optimize-for-size'];
  return (JSON.parse(entrypoint) as string[]).slice(1).filter((part) => part.startsWith('--'));
}

export async function startAgent(
  { args, folder }: AgentFiles,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<BenchAgent> {
  const port = await findPort();
  const url = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...flags, bundle, 'run', ...args, '--listen', `127.0.0.1:${port}`], {
    // The folder's reaper ends it should this process be killed.
    env: { ...process.env, [folderMark]: folder.name, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const { log, changed, errors } = follow(child);
  try {
    await untilReady(url, child, errors, signal);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    url,
    readyMs: performance.now() - startedAt,
    log,
    async logged(message, count, within) {
      while (log.filter((entry) => entry.message === message).length < count) {
        if (child.exitCode !== null) throw new Error(`the agent ended with exit code ${child.exitCode}: ${errors()}`);
        within.throwIfAborted();
        await Promise.race([changed(), exited, once(within, 'abort')]);
      }
    },
    async stop(kind = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(kind);
      await exited;
    },
  };
}

function follow(child: ChildProcess) {
  const log: LogEntry[] = [];
  let stderr = '';
  let rest = '';
  let next = Promise.withResolvers<void>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    const seenAt = performance.now();
    for (const line of lines) log.push({ ...(JSON.parse(line) as object), seenAt });
    next.resolve();
    next = Promise.withResolvers();
  });
  return { log, changed: () => next.promise, errors: () => stderr };
}

async function untilReady(url: string, child: ChildProcess, errors: () => string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + readyTimeoutMs;
  while (!(await answers200(`${url}/readyz`))) {
    if (child.exitCode !== null) throw new Error(`the agent ended with exit code ${child.exitCode}: ${errors()}`);
    if (performance.now() > deadline) throw new Error(`the agent was not ready within ${readyTimeoutMs} ms`);
    await sleep(4, undefined, { signal });
  }
}

/** `fetch` would cost this process, and so the measurement, more than a plain request. */
export function answers200(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
