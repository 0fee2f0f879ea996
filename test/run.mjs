/**
 * `npm test`: does its own set-up and runs everything, then says what passed, what failed and what did not run and why.
 * `npm test -- types unit` runs only these steps. Exit code 1 when anything failed, in CI also when anything could not run.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { provideManifestTools } from './harness/manifest-tools.mjs';
import { run, setUp, testPackages } from './harness/setup.mjs';
import { readReport, reportTo } from './harness/test-report.mjs';

const inCi = ['1', 'true'].includes((process.env.CI ?? '').toLowerCase());
const reports = mkdtempSync(join(tmpdir(), 'stv-reports-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));

const steps = [
  { name: 'format', command: 'biome', args: ['format', '.'] },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings', 'agent', 'test'] },
  { name: 'types', command: 'tsc', args: [] },
  { name: 'build', command: 'npm', args: ['run', '--silent', 'build'] },
  ...['unit', 'contract', 'integration'].map((name) => ({ name, project: name, ...vitest(name) })),
];

function vitest(project) {
  const report = join(reports, `${project}.json`);
  return { report, command: 'vitest', args: ['run', '--project', project, ...reportTo(report)] };
}

let interrupted = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  // The running step got the terminal's signal too and cleans up; a second one does not wait for it.
  process.on(signal, () => {
    if (interrupted) process.exit(code);
    interrupted = true;
    process.exitCode = code;
  });
}

async function main(names) {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(`No such step: ${unknown.join(' ')}. There are: ${steps.map((step) => step.name).join(' ')}`);
    return 2;
  }
  const chosen = names.length === 0 ? steps : steps.filter((step) => names.includes(step.name));
  const needsDaemons = chosen.some((step) => ['contract', 'integration'].includes(step.project));
  const rows = [];
  const startedAt = performance.now();
  const { missing } = await setUp({ debian: needsDaemons ? testPackages : [] });
  // A compiler at work beside tests would make those wait that measure nothing but patience.
  if (chosen.some((step) => step.project === 'unit')) await provideManifestTools(console.log);
  const setUpSeconds = (performance.now() - startedAt) / 1000;
  rows.push({ name: 'set-up', ok: !(inCi && missing.length > 0), seconds: setUpSeconds, tests: undefined });

  for (const { name, command, args, report } of chosen) {
    if (interrupted) break;
    console.log(`\n=== ${name}: ${[command, ...args].join(' ')}`);
    const stepStartedAt = performance.now();
    const code = await run(command, args);
    const tests = report === undefined ? undefined : readReport(report);
    rows.push({ name, ok: code === 0, seconds: (performance.now() - stepStartedAt) / 1000, tests });
  }
  if (interrupted) return process.exitCode;
  return summarize(rows, missing);
}

function summarize(rows, missing) {
  console.log('\n=== summary');
  for (const { name, ok, seconds, tests } of rows) {
    const counts =
      tests === undefined ? '' : `${tests.passed} passed, ${tests.failed} failed, ${tests.skipped.length} skipped`;
    console.log(
      `${name.padEnd(12)} ${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(7)} s  ${counts}`.trimEnd(),
    );
  }
  for (const line of missing) console.log(`${inCi ? 'FAILED' : 'MISSING'}: ${line}`);
  const results = rows.flatMap(({ tests }) => (tests === undefined ? [] : [tests]));
  for (const name of results.flatMap(({ skipped }) => skipped)) console.log(`NOT RUN: ${name}`);
  const sum = (of) => results.reduce((total, tests) => total + of(tests), 0);
  const passed = sum((tests) => tests.passed);
  const failed = sum((tests) => tests.failed);
  const skipped = sum((tests) => tests.skipped.length);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
