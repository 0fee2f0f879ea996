import cliProgress, { type SingleBar } from 'cli-progress';
import type { Output } from './context.ts';

interface Payload {
  readonly name: string;
  readonly totalBytes: number | undefined;
  readonly text: string;
}

export interface ProgressBars {
  /** Draws, or moves, the bar of that name. @param text beside it, at most 21 characters */
  show(name: string, value: number, totalBytes: number | undefined, text: string): void;
  /** Scrolls away above the bars. */
  log(line: string): void;
  /** Its bar is no longer needed. */
  settle(name: string, line: string): void;
  /** Gives the cursor back. */
  stop(): void;
}

const barWidth = 20;
/** ` 1023 MiB of 1023 MiB` */
const textWidth = 21;

/** One bar for each thing that goes on; what is settled scrolls away above them. */
export function createProgressBars(output: Output): ProgressBars {
  const nameWidth = Math.max(10, (output.columns || 80) - barWidth - textWidth - 2);
  const multiBar = new cliProgress.MultiBar({
    stream: output,
    clearOnComplete: true,
    hideCursor: true,
    // What is logged above the bars may be longer than a line; the bars themselves are made to fit.
    linewrap: true,
    // main.ts alone handles signals; it ends the round, and stop() gives the cursor back.
    gracefulExit: false,
    barsize: barWidth,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    format: (options, { value }, { name, totalBytes, text }: Payload) => {
      const bar = cliProgress.Format.BarFormat(totalBytes ? Math.min(1, value / totalBytes) : 0, options);
      return `${toFitting(name, nameWidth)} ${bar} ${text}`;
    },
  });
  const bars = new Map<string, SingleBar>();

  return {
    show: (name, value, totalBytes, text) => {
      const payload: Payload = { name, totalBytes, text };
      const bar = bars.get(name) ?? multiBar.create(totalBytes ?? 0, value, payload);
      bars.set(name, bar);
      bar.update(value, payload);
    },
    log: (line) => {
      multiBar.log(`${line}\n`);
      // Draws what was logged, too.
      multiBar.update();
    },
    settle: (name, line) => {
      multiBar.log(`${line}\n`);
      const bar = bars.get(name);
      bars.delete(name);
      // Either draws what was logged, too.
      if (bar === undefined) multiBar.update();
      else multiBar.remove(bar);
    },
    stop: () => multiBar.stop(),
  };
}

/** The end of a reference tells images apart; the registry's host is what can go. */
function toFitting(reference: string, width: number): string {
  return reference.length > width ? `…${reference.slice(reference.length - width + 1)}` : reference.padEnd(width);
}
