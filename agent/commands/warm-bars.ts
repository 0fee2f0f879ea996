import type { Output } from './context.ts';
import { createProgressBars } from './progress-bars.ts';
import { WarmProgress } from './warm-progress.ts';
import type { WarmReporter } from './warm-reporter.ts';
import { toProgressText, toWarmLine } from './warm-text.ts';

/** One bar for each image that is being warmed; what is settled scrolls away above them. */
export function createWarmBars(output: Output): WarmReporter {
  const bars = createProgressBars(output);
  const progress = new WarmProgress();
  return {
    report: (event) => {
      const now = progress.note(event);
      if (now !== undefined && 'reference' in event) {
        return bars.show(event.reference, now.localBytes, now.totalBytes, toProgressText(now));
      }
      const line = toWarmLine(event);
      if (line === undefined) return;
      if (event.kind === 'done') {
        bars.stop();
        output.write(`${line}\n`);
      } else if (event.kind === 'image_warm' || event.kind === 'failed') bars.settle(event.reference, line);
      else bars.log(line);
    },
    close: () => bars.stop(),
  };
}
