/** `stevedore doctor --json` by the bundle, and its findings by check. */

import { expect } from 'vitest';
import type { DoctorReport, Finding } from '../../agent/core/doctor-report.ts';
import { stevedore } from './running-agent.ts';

export interface Diagnosed {
  readonly code: number | null;
  readonly report: DoctorReport;
  readonly levels: Readonly<Record<string, readonly string[]>>;
  /** `level subject: message` of each finding. */
  lines(check: Finding['check']): readonly string[];
  of(check: Finding['check']): readonly Finding[];
}

export async function runDoctor(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Diagnosed> {
  const { code, stdout, stderr } = await stevedore(['doctor', '--json', ...args], env);
  expect(stderr).toBe('');
  const report = JSON.parse(stdout) as DoctorReport;
  const all = Map.groupBy(report.findings, ({ check }) => check);
  const of = (check: Finding['check']): readonly Finding[] => all.get(check) ?? [];
  return {
    code,
    report,
    levels: Object.fromEntries([...all].map(([check, found]) => [check, found.map(({ level }) => level)])),
    of,
    lines: (check) =>
      of(check).map(
        ({ level, subject, message }) => `${level} ${subject === undefined ? '' : `${subject}: `}${message}`,
      ),
  };
}
