/** The command line's root: the only place with exit codes and signal handlers. */

import { constants } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { runCommandLine } from './commands/program.ts';

/** Orchestrators kill after their grace period; ours is 5 s, and leaving by ourselves is the last chance to say why. */
const deadlineMs = 4_500;

const interruption = new AbortController();
let interruptedBy: NodeJS.Signals | undefined;

/**
 * The launcher (bin/stevedore.js) passes on the signals that it gets. A terminal and some supervisors signal both of us: how
 * often a user asked is the larger of the two counts, not their sum.
 */
const heard = { direct: 0, passedOn: 0 };

function interrupt(name: NodeJS.Signals, way: keyof typeof heard): void {
  heard[way] += 1;
  const exitCode = 128 + constants.signals[name];
  if (Math.max(heard.direct, heard.passedOn) > 1) process.exit(exitCode);
  if (interruptedBy !== undefined) return;
  interruptedBy = name;
  setTimeout(() => {
    process.stderr.write(`stevedore: still busy ${deadlineMs / 1000} s after ${name}: leaving\n`);
    process.exit(1);
  }, deadlineMs).unref();
  interruption.abort(new Error(`stopped by ${name}`));
}

for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => interrupt(name, 'direct'));

if (process.channel !== undefined) {
  process.on('message', (message: unknown) => {
    const { signal } = Object(message) as { signal?: unknown };
    if (signal === 'SIGTERM' || signal === 'SIGINT') interrupt(signal, 'passedOn');
  });
  // A killed launcher leaves no agent behind.
  process.on('disconnect', () => interrupt('SIGTERM', 'passedOn'));
  process.channel.unref();
}

// `stevedore plan | head`: who reads has seen enough. Whatever else keeps output from being written is a failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

const exitCode = await runCommandLine(process.argv.slice(2), {
  environment: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interruption.signal,
  loadAgent: async () => (await import('./agent.ts')).createAgent,
  loadDoctor: async () => (await import('./diagnose.ts')).diagnose,
});
// A write that failed says so only in the next turn of the event loop.
await setImmediate();
// An interrupted agent has done its duty; an interrupted one-shot command has not, and says so as a shell expects it.
const undone = interruptedBy !== undefined && exitCode !== 0;
process.exit(undone ? 128 + constants.signals[interruptedBy ?? 'SIGTERM'] : exitCode);
