import type { Output } from './context.ts';
import { createPullBars } from './pull-bars.ts';
import { type PullReporter, toEventLine } from './pull-text.ts';

/** Without a terminal, a pull says how far it is this often. */
const lineIntervalMs = 10_000;

export function createPullReporter(format: 'text' | 'json', output: Output): PullReporter {
  if (format === 'json') {
    return { report: (event) => void output.write(`${JSON.stringify(event)}\n`), close: () => undefined };
  }
  return output.isTTY ? createPullBars(output) : createPlainReporter(output);
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
