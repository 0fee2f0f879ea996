import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Finding, Tell } from '../../../agent/core/doctor-report.ts';

/** Runs a check and gives what it told, one line each: `level check subject: message`. */
export async function tellOf(run: (tell: Tell, signal: AbortSignal) => void | Promise<unknown>): Promise<string[]> {
  return (await findingsOf(run)).map(toLine);
}

export async function findingsOf(
  run: (tell: Tell, signal: AbortSignal) => void | Promise<unknown>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  await run((finding) => findings.push(finding), new AbortController().signal);
  return findings;
}

export function toLine({ level, check, subject, message }: Finding): string {
  return `${level} ${check}${subject === undefined ? '' : ` ${subject}`}: ${message}`;
}

/** A folder that looks like the root of a host: it has these files, and /etc. It goes with the test. */
export async function makeHost(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'stevedore-host-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'etc'), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

/** Of a process of that host, as /proc shows it. */
export function commandLine(...words: readonly string[]): string {
  return words.map((word) => `${word}\0`).join('');
}
