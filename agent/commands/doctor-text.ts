/** Findings for people. */

import { styleText } from 'node:util';
import { doctorChecks, type Finding, type FindingLevel } from '../core/doctor-report.ts';
import type { Output } from './context.ts';

const levelWords: Readonly<Record<FindingLevel, string>> = {
  ok: 'ok',
  not_checked: 'not checked',
  warning: 'warning',
  failure: 'failure',
};

const levelStyles = { ok: 'green', not_checked: 'dim', warning: 'yellow', failure: 'red' } as const;

const gap = 2;
const levelWidth = Math.max(...Object.values(levelWords).map(({ length }) => length)) + gap;
const checkWidth = Math.max(...doctorChecks.map(({ length }) => length)) + gap;
/** Below this a message stands on lines of its own. */
const narrowestMessage = 40;

/**
 * One finding: on a terminal as many lines as it takes, elsewhere exactly one.
 * @param output Undefined: not a terminal.
 */
export function toFindingText(finding: Finding, output: Output | undefined): string {
  const { check, level, subject, message, advice } = finding;
  const words = levelWords[level].padEnd(levelWidth);
  const name = check.replaceAll('_', ' ');
  const text = subject === undefined ? message : `${subject}: ${message}`;
  if (output === undefined) {
    return `${words}${name.padEnd(checkWidth)}${text}${advice === undefined ? '' : ` → ${advice}`}`;
  }
  const width = output.columns ?? 80;
  const coloured = styleText(levelStyles[level], words, { stream: output });
  const indent = levelWidth + checkWidth;
  const isNarrow = width - indent < narrowestMessage;
  const margin = isNarrow ? 4 : indent;
  const lines = [
    ...wrap(text, width - margin),
    ...(advice === undefined ? [] : wrap(`→ ${advice}`, width - margin, '  ')),
  ];
  const [first = '', ...rest] = isNarrow ? ['', ...lines] : lines;
  const head = `${coloured}${isNarrow ? name : name.padEnd(checkWidth)}${first}`;
  return [head, ...rest.map((line) => `${' '.repeat(margin)}${line}`)].join('\n');
}

/** `1 failure, 2 warnings, 14 ok, 5 not checked`, what is bad first. */
export function toSummaryText(findings: readonly Finding[]): string {
  const order: readonly FindingLevel[] = ['failure', 'warning', 'ok', 'not_checked'];
  const parts = order.flatMap((level) => {
    const count = findings.filter((finding) => finding.level === level).length;
    if (count === 0) return [];
    const isSeveral = count > 1 && (level === 'failure' || level === 'warning');
    return [`${count} ${levelWords[level]}${isSeveral ? 's' : ''}`];
  });
  return parts.join(', ');
}

/** At spaces; a word that is longer than a line is left to the terminal. */
function wrap(text: string, width: number, indent = ''): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line === '') line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  return [...lines, line];
}
