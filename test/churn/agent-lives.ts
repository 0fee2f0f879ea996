/** The bundled agent, started again and again on one state folder; what every life must keep is watched all the time. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundledAgent } from '../integration/bundle.ts';

export interface Sample {
  readonly life: number;
  readonly ageSeconds: number;
  readonly rssMegabytes: number;
  readonly fileDescriptors: number;
}

export interface AgentLives {
  readonly running: boolean;
  readonly lives: number;
  readonly url: string | undefined;
  /** Messages of the log and how often each came, over all lives. */
  readonly messages: ReadonlyMap<string, number>;
  start(): Promise<void>;
  /** @returns how long it took to leave, ms */
  stop(): Promise<number>;
  /** SIGKILL: also while it starts. */
  kill(): Promise<void>;
  /** The metrics now; undefined while nobody answers. Compares its counters with those of the look before. */
  readMetrics(): Promise<ReadonlyMap<string, number> | undefined>;
  sample(): Promise<Sample | undefined>;
}

export interface AgentLivesParts {
  readonly args: readonly string[];
  readonly secrets: readonly string[];
  readonly logPath: string;
  readonly onDeviation: (what: string) => void;
}

/** What SIGTERM may take, as the command line promises. */
const leaveMs = 5_000;

export function createAgentLives({ args, secrets, logPath, onDeviation }: AgentLivesParts): AgentLives {
  const messages = new Map<string, number>();
  const logFile = createWriteStream(logPath, { flags: 'a' });
  let child: ChildProcess | undefined;
  let lives = 0;
  let startedAt = 0;
  let url: string | undefined;
  let leaving: 'no' | 'stop' | 'kill' = 'no';
  let exited: Promise<unknown> = Promise.resolve();
  let counters = new Map<string, number>();

  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;

  const readLine = (line: string): void => {
    for (const secret of secrets) if (line.includes(secret)) onDeviation(`a credential in the log: ${line}`);
    let entry: Record<string, unknown>;
    try {
      entry = JSON.parse(line) as Record<string, unknown>;
    } catch {
      onDeviation(`a line of the log that is no JSON: ${line}`);
      return;
    }
    const message = String(entry['message']);
    messages.set(message, (messages.get(message) ?? 0) + 1);
    if (line.includes('"stack"') || line.includes('    at ')) onDeviation(`a stack trace in the log: ${line}`);
    if (message === 'look failed') onDeviation(`a look failed: ${line}`);
    if (message === 'listening') url = `http://127.0.0.1:${String(entry['port'])}`;
  };

  const start = async (): Promise<void> => {
    if (isRunning()) return;
    const [command = '', ...prefix] = await bundledAgent();
    lives += 1;
    const life = lives;
    startedAt = Date.now();
    url = undefined;
    leaving = 'no';
    counters = new Map();
    const now = spawn(command, [...prefix, 'run', '--listen', '127.0.0.1:0', '--log-level', 'debug', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = now;
    let rest = '';
    now.stdout.setEncoding('utf8').on('data', (text: string) => {
      logFile.write(text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) readLine(line);
    });
    now.stderr.setEncoding('utf8').on('data', (text: string) => {
      logFile.write(text);
      onDeviation(`standard error of life ${life}: ${text.trim()}`);
    });
    exited = once(now, 'close').then(() => {
      const code = now.exitCode ?? now.signalCode;
      const expected: (number | string)[] = leaving === 'stop' ? [0] : leaving === 'kill' ? ['SIGKILL'] : [];
      // A signal that comes before Node has read the program ends it as the kernel does.
      if (leaving === 'stop' && url === undefined) expected.push('SIGTERM');
      if (!expected.includes(code ?? '')) onDeviation(`life ${life} ended with ${code} (${leaving})`);
      url = undefined;
    });
  };

  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number> => {
    if (!isRunning()) return 0;
    leaving = signal === 'SIGTERM' ? 'stop' : 'kill';
    const askedAt = Date.now();
    child?.kill(signal);
    await exited;
    const tookMs = Date.now() - askedAt;
    if (tookMs > leaveMs) onDeviation(`life ${lives} took ${tookMs} ms to leave after ${signal}`);
    return tookMs;
  };

  const compareCounters = (text: string): void => {
    const names = new Set([...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
    const now = new Map<string, number>();
    for (const [series, value] of parseMetrics(text)) {
      if (!names.has(series.replace(/\{.*$/, ''))) continue;
      now.set(series, value);
      const before = counters.get(series);
      if (before !== undefined && value < before) onDeviation(`${series} went from ${before} to ${value}`);
    }
    for (const series of counters.keys()) if (!now.has(series)) onDeviation(`${series} went away`);
    counters = now;
  };

  return {
    get running() {
      return isRunning();
    },
    get lives() {
      return lives;
    },
    get url() {
      return url;
    },
    messages,
    start,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
    async readMetrics() {
      const [asked, life] = [url, lives];
      if (asked === undefined) return undefined;
      const text = await readText(`${asked}/metrics`);
      if (text === undefined || life !== lives) return undefined;
      for (const secret of secrets) if (text.includes(secret)) onDeviation('a credential in the metrics');
      compareCounters(text);
      return parseMetrics(text);
    },
    async sample() {
      const pid = child?.pid;
      if (pid === undefined || !isRunning()) return undefined;
      try {
        const status = await readFile(`/proc/${pid}/status`, 'utf8');
        const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
        const { length } = await readdir(`/proc/${pid}/fd`);
        const ageSeconds = Math.round((Date.now() - startedAt) / 1000);
        return { life: lives, ageSeconds, rssMegabytes: Math.round(rss), fileDescriptors: length };
      } catch {
        return undefined;
      }
    },
  };
}

async function readText(address: string): Promise<string | undefined> {
  try {
    return await (await fetch(address, { signal: AbortSignal.timeout(5_000) })).text();
  } catch {
    await sleep(50);
    return undefined;
  }
}

export function parseMetrics(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    const split = line.lastIndexOf(' ');
    if (split > 0 && !line.startsWith('#')) series.set(line.slice(0, split), Number(line.slice(split + 1)));
  }
  return series;
}
