import type { PruneRoundEvent } from '../core/prune-round.ts';
import type { Output } from './context.ts';
import { toPruneEventText } from './prune-text.ts';
import { toReadableSize } from '../core/readable-size.ts';

/** Shows a run while it goes on; `close` whatever happened, so that what was done is told also of a run that was cut short. */
export interface PruneReporter {
  readonly report: (event: PruneRoundEvent) => void;
  readonly close: () => void;
}

export function createPruneReporter(format: 'text' | 'json', dryRunOrdered: boolean, output: Output): PruneReporter {
  if (format === 'json') {
    return { report: (event) => void output.write(`${JSON.stringify(event)}\n`), close: () => undefined };
  }
  let removed = 0;
  let bytes = 0;
  let ended = false;
  return {
    report: (event) => {
      if (event.kind === 'removed') {
        removed += 1;
        bytes += event.reclaimedBytes;
      }
      if (event.kind === 'done') ended = true;
      output.write(`${toPruneEventText(event, dryRunOrdered)}\n`);
    },
    close: () => {
      if (ended || removed === 0) return;
      output.write(`cut short: ${removed} removed so far, ${toReadableSize(bytes)} reclaimed\n`);
    },
  };
}
