import type { OnHandWarmEvent } from '../coordinator/hand-warming-events.ts';
import type { Output } from './context.ts';
import { createWarmBars } from './warm-bars.ts';
import { WarmProgress } from './warm-progress.ts';
import { toProgressText, toWarmLine } from './warm-text.ts';

/** `close` whatever happened, so that a terminal is left as it was. */
export interface WarmReporter {
  readonly report: OnHandWarmEvent;
  readonly close: () => void;
}

/** Without a terminal, an image says how far it is this often. */
const lineIntervalMs = 10_000;

export function createWarmReporter(format: 'text' | 'json', output: Output): WarmReporter {
  if (format === 'json') return createJsonReporter(output);
  return output.isTTY ? createWarmBars(output) : createPlainReporter(output);
}

/** Each piece of a blob that is read would be a line: its end is one. */
function createJsonReporter(output: Output): WarmReporter {
  return {
    report: (event) => {
      if (event.kind !== 'blob_read') output.write(`${JSON.stringify(event)}\n`);
    },
    close: () => undefined,
  };
}

function createPlainReporter(output: Output): WarmReporter {
  const progress = new WarmProgress();
  const saidAt = new Map<string, number>();
  return {
    report: (event) => {
      const now = progress.note(event);
      const line = toWarmLine(event);
      if (line !== undefined) {
        if ('reference' in event) saidAt.set(event.reference, performance.now());
        output.write(`${line}\n`);
      } else if (now !== undefined && 'reference' in event) {
        const { reference } = event;
        if (performance.now() - (saidAt.get(reference) ?? Number.NEGATIVE_INFINITY) < lineIntervalMs) return;
        saidAt.set(reference, performance.now());
        output.write(`warming ${reference}: ${toProgressText(now)}\n`);
      }
    },
    close: () => undefined,
  };
}
