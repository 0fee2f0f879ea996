/**
 * What takes too long for `npm test`, one part after the other, and a summary at the end:
 *
 *     npm run test:soak -- [disk] [inodes] [pulls] [kills] [races] [properties] [--runtime containerd|docker] [--seed 1]
 *         [--disk-mib 1024] [--rounds 20] [--kills 50] [--tries 3000] [--cases 1000000] [--quick] [--logs FOLDER]
 *
 * Without names every part runs. Exit code 1 when anything deviated.
 */

import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runDisk } from './disk-run.ts';
import { runInodes } from './inode-run.ts';
import { runKills } from './kill-run.ts';
import { runPulls } from './pull-run.ts';
import type { Kind } from './soak-node.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'disk-mib': { type: 'string' },
    rounds: { type: 'string' },
    kills: { type: 'string' },
    tries: { type: 'string' },
    cases: { type: 'string' },
    quick: { type: 'boolean', default: false },
    logs: { type: 'string' },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed);
const count = (written: string | undefined, usual: number, quick: number): number =>
  Number(written ?? (values.quick ? quick : usual));
const counts = {
  diskMib: count(values['disk-mib'], 1024, 180),
  rounds: count(values.rounds, 20, 2),
  kills: count(values.kills, 50, 3),
  tries: count(values.tries, 3_000, 30),
  cases: count(values.cases, 1_000_000, 2_000),
};

/** The agent's log, kept where one is asked for: the node's own folder goes with the node. */
const logOf = (part: string, kind: Kind): string | undefined =>
  values.logs === undefined ? undefined : join(values.logs, `${part}-${kind}.log`);

/** What was found wrong, and what the part has to tell in one line. */
interface Outcome {
  readonly wrong: readonly string[];
  readonly figures: string;
}

const parts: Readonly<Record<string, (kind: Kind) => Promise<Outcome>>> = {
  disk: async (kind) => {
    const sizeBytes = counts.diskMib * 2 ** 20;
    const { wrong, removed, headlineBytes, gainBytes } = await runDisk({
      kind,
      sizeBytes,
      otherWriter: true,
      say,
      logPath: logOf('disk', kind),
    });
    const off = (100 * (headlineBytes / gainBytes - 1)).toFixed(3);
    return { wrong, figures: `${removed.length} removed, headline ${headlineBytes} of ${gainBytes} bytes (${off} %)` };
  },
  inodes: async (kind) => {
    const { wrong, removed } = await runInodes({ kind, say, logPath: logOf('inodes', kind) });
    return { wrong, figures: `${removed} removed` };
  },
  pulls: async (kind) => {
    const { wrong, pulls, pruneRuns, removed, otherPulls } = await runPulls({
      kind,
      rounds: counts.rounds,
      seed,
      say,
      logPath: logOf('pulls', kind),
    });
    const figures = `${pulls} pulls and ${otherPulls} of another client, ${pruneRuns} prune runs, ${removed} removed`;
    return { wrong, figures };
  },
  kills: async (kind) => {
    const { wrong, kills, cutRemovals, victimsGone, victimsKept, restored, cutPulls } = await runKills({
      kind,
      kills: counts.kills,
      seed,
      say,
      logPath: logOf('kills', kind),
    });
    const figures = `${kills} kills: ${cutRemovals} in a removal (${victimsGone} gone, ${victimsKept} there, ${restored} put back), ${cutPulls} in a pull`;
    return { wrong, figures };
  },
  races: (kind) =>
    runProcess('node', [
      fileURLToPath(new URL(`${kind}-removal-race.ts`, import.meta.url)),
      '--tries',
      String(counts.tries),
      '--seed',
      String(seed),
    ]),
};

/** Needs no runtime. */
const propertyTests = (): Promise<Outcome> =>
  runProcess(
    'vitest',
    ['run', '--project', 'unit', '--testTimeout', String(6 * 3_600_000), 'test/unit/core/prune-planner.test.ts'],
    { STEVEDORE_PROPERTY_CASES: String(counts.cases), NO_COLOR: '1' },
  );

async function runProcess(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    lines.push(...text.split('\n').filter((line) => line.trim() !== ''));
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const summary = lines.findLast((line) => /^(\s+Tests|violations)/.test(line)) ?? lines.at(-1);
  const figures = summary?.trim() ?? 'nothing said';
  return { wrong: code === 0 ? [] : [`exit code ${code}: ${figures}`], figures };
}

const names = [...Object.keys(parts), 'properties'];
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  say(`No such part: ${unknown.join(' ')}. There are: ${names.join(' ')}`);
  process.exit(2);
}
const kinds = (['containerd', 'docker'] as const).filter((kind) => (values.runtime ?? kind) === kind);
const chosen = positionals.length === 0 ? names : positionals;
const runs: (readonly [string, () => Promise<Outcome>])[] = chosen.flatMap((name) => {
  const part = parts[name];
  if (part === undefined) return [[name, propertyTests] as const];
  return kinds.map((kind) => [`${name} on ${kind}`, () => part(kind)] as const);
});

const rows: string[] = [];
let deviations = 0;
for (const [name, start] of runs) {
  say(`\n=== ${name}`);
  const startedAt = performance.now();
  const { wrong, figures } = await start().catch((error: unknown): Outcome => {
    return {
      wrong: [`broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`],
      figures: '',
    };
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0).padStart(6);
  deviations += wrong.length;
  rows.push(`${name.padEnd(22)} ${wrong.length === 0 ? 'ok    ' : 'FAILED'} ${seconds} s  ${figures}`);
  for (const what of wrong) rows.push(`  ${what}`);
}
say(`\n=== summary\n${rows.join('\n')}\ndeviations: ${deviations}`);
process.exit(deviations === 0 ? 0 : 1);
