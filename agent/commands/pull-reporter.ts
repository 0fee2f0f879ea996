import type { PullRoundEvent } from '../core/pull-round.ts';
import type { Output } from './context.ts';
import { createPullBars } from './pull-bars.ts';
import { toReadableSize } from './sizes.ts';

/** Shows a round while it goes on; `close` whatever happened, so that a terminal is left as it was. */
export interface PullReporter {
  report(event: PullRoundEvent): void;
  close(): void;
}

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

export function toEventLine(event: PullRoundEvent): string {
  switch (event.kind) {
    case 'started':
      return `pulling ${event.reference}${event.totalBytes === undefined ? '' : ` (${toReadableSize(event.totalBytes)})`}`;
    case 'progress':
      return `pulling ${event.reference}: ${toReadableProgress(event.downloadedBytes, event.totalBytes)}`;
    case 'pulled':
      return `pulled ${event.reference} in ${event.seconds.toFixed(1)} s (${toReadableSize(event.bytes)} fetched)`;
    case 'failed':
      return `failed ${event.reference}: ${event.code}: ${event.message}`;
    case 'waiting':
      return `missing ${event.reference}: ${event.reason}: ${event.message}`;
    case 'done':
      return `${outcomeWords[event.outcome]}: ${event.pulled} pulled, ${event.failed} failed, ${event.waiting} missing, ${event.present} present`;
  }
}

const outcomeWords = { noop: 'nothing to do', success: 'done', partial: 'partly done', error: 'failed' } as const;

export function toReadableProgress(downloadedBytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return toReadableSize(downloadedBytes);
  return `${toReadableSize(downloadedBytes)} of ${toReadableSize(totalBytes)}`;
}
