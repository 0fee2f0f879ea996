import type { Output } from './context.ts';
import { createProgressBars } from './progress-bars.ts';
import { type PullReporter, toEventLine, toReadableProgress } from './pull-text.ts';

/** One bar for each pull that runs; what is settled scrolls away above them. */
export function createPullBars(output: Output): PullReporter {
  const bars = createProgressBars(output);
  const show = (reference: string, downloadedBytes: number, totalBytes: number | undefined): void =>
    bars.show(reference, downloadedBytes, totalBytes, toReadableProgress(downloadedBytes, totalBytes));

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
          return bars.settle(event.reference, toEventLine(event));
        case 'done':
          bars.stop();
          output.write(`${toEventLine(event)}\n`);
      }
    },
    close: () => bars.stop(),
  };
}
