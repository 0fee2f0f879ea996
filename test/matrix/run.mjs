/**
 * `npm run test:runtimes`: the contract suite of the runtime port on several versions of containerd and dockerd.
 * `npm run test:runtimes -- containerd-2 docker-28` runs only these; `--agent` also runs the bundled agent's own tests on each.
 * Versions that the machine lacks come from other Debian suites into `.cache/runtimes` (remove it to get newer ones); nothing of the
 * machine is upgraded. Exit code 1 when a test failed, when a version that was named cannot be had, or when none ran.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository, run, setUp } from '../harness/setup.mjs';
import { readReport, reportTo } from '../harness/test-report.mjs';
import { openSuites } from './suites.mjs';
import { provide, versions } from './versions.mjs';

/** The daemons themselves are not among them: they can come from anywhere. */
const debian = ['busybox-static', 'docker-registry', 'runc'];

const contractFiles = {
  containerd: ['test/contract/containerd.test.ts', 'test/contract/cri.test.ts'],
  dockerd: ['test/contract/docker.test.ts'],
};
const agentSuites = { containerd: 'on containerd', dockerd: 'on docker' };

let interrupted = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  // The running tests got the terminal's signal too and clean up; a second one does not wait for them.
  process.on(signal, () => {
    if (interrupted) process.exit(code);
    interrupted = true;
    process.exitCode = code;
  });
}

async function main(args) {
  const { values, positionals } = parseOptions(args);
  const unknown = positionals.filter((name) => !versions.some((version) => version.name === name));
  if (unknown.length > 0) {
    console.error(`No such version: ${unknown.join(' ')}. There are: ${versions.map(({ name }) => name).join(' ')}`);
    return 2;
  }
  if (process.getuid() !== 0) {
    console.error('The runtimes need root.');
    return 1;
  }
  const { missing } = await setUp({ debian });
  if (missing.length > 0) {
    for (const line of missing) console.error(line);
    return 1;
  }
  if (values.agent && (await run('npm', ['run', '--silent', 'build'])) !== 0) return 1;

  const folder = join(repository, '.cache/runtimes');
  mkdirSync(folder, { recursive: true });
  const suites = openSuites(folder, (message) => console.log(message));
  const rows = [];
  for (const wanted of versions) {
    if (interrupted) break;
    if (positionals.length > 0 && !positionals.includes(wanted.name)) continue;
    rows.push(await runOne(wanted, folder, suites, values.agent === true));
  }
  if (interrupted) return process.exitCode;
  printTable(rows);
  const failed = rows.some(({ ok, refusal }) => (refusal === undefined ? !ok : positionals.length > 0));
  return failed || rows.every(({ refusal }) => refusal !== undefined) ? 1 : 0;
}

function parseOptions(args) {
  try {
    return parseArgs({ args, options: { agent: { type: 'boolean' } }, allowPositionals: true });
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

async function runOne(wanted, folder, suites, withAgent) {
  console.log(`\n=== ${wanted.name}`);
  let provided;
  try {
    provided = await provide(wanted, folder, suites);
  } catch (error) {
    const refusal = error instanceof Error ? error.message : String(error);
    console.log(`NOT RUN: ${refusal}`);
    return { name: wanted.name, refusal };
  }
  const { bin, version, source } = provided;
  console.log(`${wanted.daemon} ${version} (${source})`);
  const startedAt = performance.now();
  const results = [await runTests(['--project', 'contract', ...contractFiles[wanted.daemon]], bin)];
  if (withAgent && !interrupted) {
    const suite = ['--testNamePattern', `^${agentSuites[wanted.daemon]} `];
    results.push(await runTests(['--project', 'integration', 'test/integration/agent.test.ts', ...suite], bin));
  }
  const sum = (of) => results.reduce((total, result) => total + of(result), 0);
  return {
    name: wanted.name,
    version,
    source,
    ok: results.every(({ code }) => code === 0),
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    // The pattern leaves out the other runtime's tests, which is no skipping.
    skipped: results[0].skipped.length,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

/** The version's programs come first on the path, for the harness as for the daemons themselves. */
async function runTests(args, bin) {
  const reports = mkdtempSync(join(tmpdir(), 'stv-reports-'));
  try {
    const report = join(reports, 'report.json');
    const env = bin === undefined ? {} : { PATH: `${bin}${delimiter}${process.env.PATH}` };
    const code = await run('vitest', ['run', ...args, ...reportTo(report)], env);
    return { code, ...readReport(report) };
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

function printTable(rows) {
  const cells = rows
    .filter(({ refusal }) => refusal === undefined)
    .map(({ name, version, ok, passed, failed, skipped, seconds, source }) => [
      name,
      version,
      ok ? 'ok' : 'FAILED',
      `${passed}`,
      `${failed}`,
      `${skipped}`,
      seconds.toFixed(1),
      source,
    ]);
  const table = [['runtime', 'version', '', 'passed', 'failed', 'skipped', 'seconds', 'from'], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  console.log('\n=== summary');
  for (const row of cells.length === 0 ? [] : table) {
    const padded = row.map((cell, column) =>
      /^[\d.]+$/.test(cell) && column > 2 ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    console.log(padded.join('  ').trimEnd());
  }
  for (const { name, refusal } of rows) if (refusal !== undefined) console.log(`NOT RUN: ${name}: ${refusal}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
