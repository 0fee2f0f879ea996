/** vitest with a report that a program can read. Plain JavaScript: see setup.mjs. */

import { readFileSync } from 'node:fs';

/** @param {string} path where vitest shall write its JSON report; what it prints stays as it is. */
export function reportTo(path) {
  return ['--reporter=default', '--reporter=json', `--outputFile.json=${path}`];
}

/**
 * Tests of one vitest run, from its JSON report; a file that could not be loaded is one failed test, and so is a run without report.
 * @returns {{ passed: number, failed: number, skipped: string[] }} of the skipped ones, the full names
 */
export function readReport(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
  const files = report.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults);
  const count = (state) => tests.filter(({ status }) => status === state).length;
  const broken = files.filter((file) => file.status === 'failed' && !file.assertionResults.some(isFailed)).length;
  const skipped = tests.filter(({ status }) => ['pending', 'skipped', 'todo', 'disabled'].includes(status));
  return { passed: count('passed'), failed: count('failed') + broken, skipped: skipped.map((test) => test.fullName) };
}

function isFailed({ status }) {
  return status === 'failed';
}
