import cliProgress, { type SingleBar } from 'cli-progress';
import type { PullRoundEvent } from '../core/pull-round.ts';
import type { Output } from './context.ts';
import { type PullReporter, toEventLine, toReadableProgress } from './pull-text.ts';

interface Payload {
  readonly reference: string;
  readonly totalBytes: number | undefined;
}

const barWidth = 20;
/** ` 1023 MiB of 1023 MiB` */
const progressWidth = 21;

/** One bar for each pull that runs; what is settled scrolls away above them. */
export function createPullBars(output: Output): PullReporter {
  const nameWidth = Math.max(10, (output.columns || 80) - barWidth - progressWidth - 2);
  const multiBar = new cliProgress.MultiBar({
    stream: output,
    clearOnComplete: true,
    hideCursor: true,
    // What is logged above the bars may be longer than a line; the bars themselves are made to fit.
    linewrap: true,
    // main.ts alone handles signals; it ends the round, and close() gives the cursor back.
    gracefulExit: false,
    barsize: barWidth,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    format: (options, { value }, { reference, totalBytes }: Payload) => {
      const bar = cliProgress.Format.BarFormat(totalBytes ? Math.min(1, value / totalBytes) : 0, options);
      return `${toFitting(reference, nameWidth)} ${bar} ${toReadableProgress(value, totalBytes)}`;
    },
  });
  const bars = new Map<string, SingleBar>();

  const show = (reference: string, downloadedBytes: number, totalBytes: number | undefined): void => {
    const payload: Payload = { reference, totalBytes };
    const bar = bars.get(reference) ?? multiBar.create(totalBytes ?? 0, downloadedBytes, payload);
    bars.set(reference, bar);
    bar.update(downloadedBytes, payload);
  };
  const settle = (event: PullRoundEvent & { readonly reference: string }): void => {
    multiBar.log(`${toEventLine(event)}\n`);
    const bar = bars.get(event.reference);
    bars.delete(event.reference);
    // Draws what was logged, too.
    if (bar === undefined) multiBar.update();
    else multiBar.remove(bar);
  };

  return {
    report: (event) => {
      switch (event.kind) {
        case 'started':
          return show(event.reference, 0, event.totalBytes);
        case 'progress':
          return show(event.reference, event.downloadedBytes, event.totalBytes);
        case 'pulled':
        case 'failed':
        case 'waiting':
          return settle(event);
        case 'done':
          multiBar.stop();
          output.write(`${toEventLine(event)}\n`);
      }
    },
    close: () => multiBar.stop(),
  };
}

/** The end of a reference tells images apart; the registry's host is what can go. */
function toFitting(reference: string, width: number): string {
  return reference.length > width ? `…${reference.slice(reference.length - width + 1)}` : reference.padEnd(width);
}
