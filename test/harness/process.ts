/** Child processes of the tests: daemons with a log file, and tools that run to their end. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { folderMark } from './folder.ts';

export interface DaemonOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** A folder of `makeFolder`; the log is `NAME.log` in it. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Asked again and again after the start, with what the log says since this start, until it is true; an error counts as not yet. */
  readonly ready?: (log: string) => boolean | Promise<boolean>;
  /** Default 30 000. */
  readonly readyTimeoutMs?: number;
  /** Between SIGTERM and SIGKILL; default 10 000. */
  readonly graceMs?: number;
  /** Give it a mount namespace of its own in which `/run` is `FOLDER/run`, because shims insist on `/run/containerd`. */
  readonly privateRun?: boolean;
}

export interface Daemon {
  readonly pid: number;
  readonly running: boolean;
  readonly logPath: string;
  /** What it wrote since the latest start. */
  log(): Promise<string>;
  start(): Promise<void>;
  /** SIGTERM, after the grace SIGKILL; nothing to do when it does not run. */
  stop(): Promise<void>;
  /** SIGKILL: as when the machine's memory ran out. */
  kill(): Promise<void>;
}

/** Starts it and waits until it is ready. @throws Error with the end of its log when it ends or is not ready in time */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const logPath = join(options.folder, `${options.name}.log`);
  let child: ChildProcess | undefined;
  let logStart = 0;

  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  const log = async (): Promise<string> => (await readFile(logPath)).subarray(logStart).toString();

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || !isRunning()) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const grace = new AbortController();
    const killer = wait(options.graceMs ?? 10_000, undefined, { signal: grace.signal })
      .then(() => child?.kill('SIGKILL'))
      .catch(() => undefined);
    await exited;
    grace.abort();
    await killer;
  };

  const start = async (): Promise<void> => {
    if (isRunning()) return;
    logStart = await readFile(logPath).then(
      (content) => content.length,
      () => 0,
    );
    const [command, args] = options.privateRun ? inPrivateRun(options) : [options.command, options.args];
    const output = openSync(logPath, 'a');
    try {
      child = spawn(command, args, {
        cwd: options.folder,
        env: { ...process.env, ...options.env, [folderMark]: basename(options.folder) },
        stdio: ['ignore', output, output],
        // Ctrl-C is for the test runner: it stops daemons in order, and the reaper does it when the runner cannot.
        detached: true,
      });
    } finally {
      closeSync(output);
    }
    await once(child, 'spawn');
    await untilReady();
  };

  const untilReady = async (): Promise<void> => {
    const timeoutMs = options.readyTimeoutMs ?? 30_000;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (!isRunning()) throw new Error(`${options.name} ended at once:\n${tail(await log())}`);
      if (await Promise.resolve(options.ready?.(await log()) ?? true).catch(() => false)) return;
      if (performance.now() > deadline) {
        await end('SIGKILL');
        throw new Error(`${options.name} was not ready within ${timeoutMs} ms:\n${tail(await log())}`);
      }
      await wait(25);
    }
  };

  await start();
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    get running() {
      return isRunning();
    },
    logPath,
    log,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** Waits until no process, and no zombie, has this id. @throws Error after 10 s */
export async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there after 10 s`);
    await wait(25);
  }
}

function inPrivateRun({ command, args, folder }: DaemonOptions): [string, string[]] {
  const script = 'mkdir -p "$0/run" && mount --bind "$0/run" /run && exec "$@"';
  return ['unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, folder, command, ...args]];
}

function tail(log: string): string {
  return log.split('\n').slice(-15).join('\n');
}

export interface ToolOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: Buffer;
  /** Default 60 000. */
  readonly timeoutMs?: number;
}

/** Runs a tool to its end and gives its standard output. @throws Error with its standard error when it fails */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      {
        env: { ...process.env, ...options.env },
        cwd: options.cwd,
        timeout: options.timeoutMs ?? 60_000,
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else
          reject(
            new Error(`${basename(command)} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }),
          );
      },
    );
    // A tool that fails early closes its input; its exit code says why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  });
}
