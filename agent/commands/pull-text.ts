import type { PullRoundEvent } from '../core/pull-round.ts';
import { outcomeWords } from './outcome-words.ts';
import { toReadableSize } from '../core/readable-size.ts';

/** Shows a round while it goes on; `close` whatever happened, so that a terminal is left as it was. */
export interface PullReporter {
  readonly report: (event: PullRoundEvent) => void;
  readonly close: () => void;
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

export function toReadableProgress(downloadedBytes: number, totalBytes: number | undefined): string {
  if (totalBytes === undefined) return toReadableSize(downloadedBytes);
  return `${toReadableSize(downloadedBytes)} of ${toReadableSize(totalBytes)}`;
}
