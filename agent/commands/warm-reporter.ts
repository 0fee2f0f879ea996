import type { OnHandWarmEvent } from '../coordinator/hand-warming-events.ts';
import type { Output } from './context.ts';
import { createWarmBars } from './warm-bars.ts';
import { type ImageProgress, WarmProgress } from './warm-progress.ts';
import { toProgressText, toWarmLine } from './warm-text.ts';

/** `close` whatever happened, so that a terminal is left as it was. */
export interface WarmReporter {
  readonly report: OnHandWarmEvent;
  readonly close: () => void;
}

/** Without a terminal, each image says how far it is this often. */
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

/** While Harbor fetches a blob nothing is heard of it: that it goes on is said by the clock. */
function createPlainReporter(output: Output): WarmReporter {
  const progress = new WarmProgress();
  const open = new Map<string, ImageProgress>();
  const tell = (): void => {
    for (const [reference, now] of open) output.write(`warming ${reference}: ${toProgressText(now)}\n`);
  };
  const timer = setInterval(tell, lineIntervalMs);
  return {
    report: (event) => {
      const now = progress.note(event);
      if (now !== undefined && 'reference' in event) open.set(event.reference, now);
      if (event.kind === 'image_warm' || event.kind === 'failed') open.delete(event.reference);
      const line = toWarmLine(event);
      if (line !== undefined) output.write(`${line}\n`);
    },
    close: () => clearInterval(timer),
  };
}
