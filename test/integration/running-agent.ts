/** The agent as a process of its own, from the bundle, beside real daemons. */

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundledAgent } from './bundle.ts';

export interface RunningAgent {
  readonly url: string;
  readonly process: ChildProcess;
  /** The log's lines so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Resolves with the exit code when the process ends. */
  readonly exited: Promise<number | null>;
  metric(name: string): Promise<number | undefined>;
  stop(): Promise<number | null>;
}

export interface AgentFolder {
  readonly path: string;
  readonly stateDir: string;
  setConfig(yaml: string): Promise<void>;
  setLabels(...labels: string[]): Promise<void>;
  /** Options that every command takes. */
  options(target: { readonly kind: string; readonly endpoint: string }): string[];
}

export function agentFolder(path: string): AgentFolder {
  const put = async (name: string, text: string) => {
    await writeFile(join(path, `${name}.new`), text);
    await rename(join(path, `${name}.new`), join(path, name));
  };
  return {
    path,
    stateDir: join(path, 'state'),
    setConfig: (yaml) => put('config.yaml', yaml),
    setLabels: (...labels) => put('labels', `${labels.join('\n')}\n`),
    options: ({ kind, endpoint }) => [
      '--config',
      join(path, 'config.yaml'),
      '--labels-file',
      join(path, 'labels'),
      '--runtime',
      kind,
      '--endpoint',
      endpoint,
      '--state-dir',
      join(path, 'state'),
    ],
  };
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of the bundle to its end. */
export async function stevedore(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const [command = '', ...prefix] = await bundledAgent();
  const child = spawn(command, [...prefix, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

/** Starts `run` and resolves once it listens. */
export async function startAgent(args: readonly string[], logFile?: string): Promise<RunningAgent> {
  const [command = '', ...prefix] = await bundledAgent();
  const child = spawn(command, [...prefix, 'run', '--listen', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: Record<string, unknown>[] = [];
  const listening = Promise.withResolvers<string>();
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  let rest = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (logFile !== undefined) void appendFile(logFile, text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const entry: Record<string, unknown> = JSON.parse(line);
      log.push(entry);
      if (entry['message'] === 'listening') listening.resolve(`http://127.0.0.1:${String(entry['port'])}`);
    }
  });
  void exited.then((code) => listening.reject(new Error(`the agent ended with exit code ${code}: ${stderr}`)));
  const url = await listening.promise;
  const metric = async (name: string): Promise<number | undefined> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`stevedore_${name} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null) child.kill('SIGTERM');
    return exited;
  };
  return { url, process: child, log, exited, metric, stop };
}

/** Waits until the condition holds, looking every 20 ms; fails after the limit, with what was seen last. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 20_000,
): Promise<T> {
  const endsAt = Date.now() + limitMs;
  while (true) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > endsAt) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(20);
  }
}
