/** Tables for people, JSON for machines. */

import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';

/** A goal and what was measured against it. */
export interface Verdict {
  readonly what: string;
  readonly goal: number;
  readonly measured: number;
  readonly met: boolean;
}

export function toVerdict(what: string, measured: number, goal: number): Verdict {
  return { what, goal, measured, met: measured <= goal };
}

export interface BenchResult {
  readonly bench: string;
  readonly runtime?: { readonly kind: string; readonly version: string };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly verdicts: readonly Verdict[];
  readonly figures: Readonly<Record<string, unknown>>;
}

export function printTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  console.log(`\n${title}\n${table.toString()}`);
}

export function printVerdicts(verdicts: readonly Verdict[]): void {
  for (const { what, goal, measured, met } of verdicts)
    console.log(`${met ? 'met   ' : 'MISSED'} ${what}: ${toFigure(measured)}, goal at most ${toFigure(goal)}`);
}

export async function saveResult(folder: string, result: BenchResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = result.runtime === undefined ? result.bench : `${result.bench}-${result.runtime.kind}`;
  const machine = {
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? '',
    memoryBytes: totalmem(),
    linux: release(),
    node: process.version,
  };
  const document = { at: new Date().toISOString(), machine, ...result };
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(document, round, 2)}\n`);
}

function round(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}

function toFigure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
