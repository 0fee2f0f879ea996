import type { Output } from './context.ts';
import { createPullBars } from './pull-bars.ts';
import { type PullReporter, toEventLine } from './pull-text.ts';

/** Without a terminal, a pull says how far it is this often. */
const lineIntervalMs = 10_000;

export function createPullReporter(format: 'text' | 'json', output: Output): PullReporter {
  if (format === 'json') {
    return { report: (event) => void output.write(`${JSON.stringify(event)}\n`), close: () => undefined };
  }
  return withoutRepetition(output.isTTY ? createPullBars(output) : createPlainReporter(output));
}

/** What failed in this round is missing at its end for that very reason: people are told once. */
function withoutRepetition(reporter: PullReporter): PullReporter {
  const failed = new Set<string>();
  return {
    report: (event) => {
      if (event.kind === 'failed') failed.add(event.reference);
      if (event.kind === 'waiting' && event.reason === 'backoff' && failed.has(event.reference)) return;
      reporter.report(event);
    },
    close: reporter.close,
  };
}

function createPlainReporter(output: Output): PullReporter {
  const saidAt = new Map<string, number>();
  return {
    report: (event) => {
      if (event.kind === 'started') saidAt.set(event.reference, performance.now());
      if (event.kind === 'progress') {
        const now = performance.now();
        if (now - (saidAt.get(event.reference) ?? Number.NEGATIVE_INFINITY) < lineIntervalMs) return;
        saidAt.set(event.reference, now);
      }
      output.write(`${toEventLine(event)}\n`);
    },
    close: () => undefined,
  };
}
