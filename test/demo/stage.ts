/** What both acts of the demo play on: the command line as a user sees it, the agent as a process, and the end of it all. */

import { type ChildProcess, spawn } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';

/** Fires at Ctrl-C. */
export const stop = new AbortController();

export type LogEntry = Readonly<Record<string, unknown>>;

export interface RunningAgent {
  readonly url: string;
  readonly logFile: string;
  /** What it has logged so far. */
  readonly entries: readonly LogEntry[];
  stop(): Promise<void>;
}

export function say(text: string): void {
  stop.signal.throwIfAborted();
  console.log(`\n${styleText(['bold', 'cyan'], `== ${text}`)}`);
}

/** Runs the command line with its output shown. @throws Error when it fails */
export async function stevedore(...args: readonly string[]): Promise<void> {
  stop.signal.throwIfAborted();
  const child = spawn('node', ['agent/main.ts', ...args], { stdio: 'inherit', signal: stop.signal });
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`stevedore ${args[0]} ended with exit code ${code}`);
}

/** Resolves once it listens. @throws Error when it ends before */
export async function startAgent(logFile: string, args: readonly string[]): Promise<RunningAgent> {
  const child = spawn('node', ['agent/main.ts', 'run', '--listen', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = exitOf(child);
  const entries: LogEntry[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  void exited.then((code) => reject(new Error(`the agent ended with exit code ${code}, see ${logFile}`)));
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    void appendFile(logFile, chunk).catch(() => undefined);
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const entry: LogEntry = JSON.parse(line);
      entries.push(entry);
      if (entry['message'] === 'listening') resolve(`http://${String(entry['host'])}:${String(entry['port'])}`);
    }
  });
  const url = await promise;
  return {
    url,
    logFile,
    entries,
    stop: async () => {
      child.kill('SIGTERM');
      console.log(`the agent ended with exit code ${await exited}`);
    },
  };
}

/** Waits for what the agent says, looking from its `from`th entry on. @throws Error after 30 s */
export async function untilLogged(
  { entries, logFile }: RunningAgent,
  from: number,
  message: string,
  onEntry: (entry: LogEntry) => void,
): Promise<LogEntry> {
  const deadline = performance.now() + 30_000;
  for (let at = from; ; ) {
    const entry = entries[at];
    if (entry === undefined) {
      if (performance.now() > deadline) throw new Error(`the agent did not log '${message}', see ${logFile}`);
      await sleep(50, undefined, { signal: stop.signal });
      continue;
    }
    onEntry(entry);
    if (entry['message'] === message) return entry;
    at += 1;
  }
}

/** Of these metrics, the series that are not 0. */
export async function showMetrics({ url }: RunningAgent, names: readonly string[]): Promise<void> {
  const response = await fetch(`${url}/metrics`, { signal: stop.signal });
  const lines = (await response.text()).split('\n');
  const isTold = (line: string) =>
    names.some((name) => new RegExp(`^stevedore_${name}[{ ]`).test(line)) && !line.endsWith(' 0');
  console.log(lines.filter(isTold).join('\n'));
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}
