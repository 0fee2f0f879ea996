import type { HandWarmEvent } from '../coordinator/hand-warming-events.ts';
import { toReadableSize } from '../core/readable-size.ts';
import { outcomeWords } from './outcome-words.ts';
import { toReadableProgress } from './pull-text.ts';
import type { ImageProgress } from './warm-progress.ts';

/** What a terminal's width and a log's reader have room for beside a bar. */
export function toProgressText({ localBytes, totalBytes, isStoring }: ImageProgress): string {
  return isStoring ? 'waiting for manifest' : toReadableProgress(localBytes, totalBytes);
}

/** Undefined: nothing that people have to be told in a line of its own. */
export function toWarmLine(event: HandWarmEvent): string | undefined {
  switch (event.kind) {
    case 'image_read':
      return `warming ${event.reference} (${toReadableSize(event.bytes - event.localBytes)} missing of ${toReadableSize(event.bytes)})`;
    case 'blob_begun':
    case 'blob_read':
    case 'blob_warm':
      return undefined;
    case 'fallback':
      return `warming ${event.reference}: ${event.message}`;
    case 'retry':
      return `warming ${event.reference}: tried again in ${Math.ceil(event.waitMs / 1000)} s: ${event.message}`;
    case 'child_warm':
      if (event.certain) return undefined;
      return `warming ${event.reference}: Harbor had the time that it takes to store the manifest for ${event.platform}; the login may not ask whether it did (artifact:read)`;
    case 'image_warm':
      if (event.bytes === 0) return `warm ${event.reference}: no blob was missing`;
      return `warm ${event.reference} in ${event.seconds.toFixed(1)} s (${toReadableSize(event.bytes)} fetched)`;
    case 'unneeded':
      return `not needed ${event.reference}: ${event.message}`;
    case 'platform':
      return toPlatformLine(event);
    case 'missing_platform':
      return `missing ${event.reference}: it has no image for ${event.platform}`;
    case 'failed':
      return `failed ${event.reference}: ${event.code}: ${event.message}`;
    case 'done':
      return toDoneLine(event);
  }
}

function toPlatformLine(event: Extract<HandWarmEvent, { kind: 'platform' }>): string {
  const { reference, platform, state, missingBytes, message } = event;
  const name = `${state} ${reference} ${platform}`;
  if (state === 'warm') return name;
  const more = message === undefined ? '' : `: ${message}`;
  if (state === 'unknown') return `${name}${more}`;
  if (missingBytes === undefined) return `${name}: size not known${more}`;
  return missingBytes === 0
    ? `${name}: only its manifest is missing`
    : `${name}: ${toReadableSize(missingBytes)} missing${more}`;
}

function toDoneLine({
  outcome,
  dryRun,
  warm,
  cold,
  unknown,
  missingBytes,
  unneeded,
  failed,
}: Extract<HandWarmEvent, { kind: 'done' }>): string {
  const words = dryRun && failed === 0 ? 'dry run' : outcomeWords[outcome];
  const size = missingBytes === undefined ? 'size not known' : `${toReadableSize(missingBytes)} missing`;
  const looked = dryRun ? [`${cold} cold${cold === 0 ? '' : ` (${size})`}`] : [];
  if (unknown > 0) looked.push(`${unknown} not known`);
  return `${words}: ${[`${warm} warm`, ...looked, `${unneeded} not needed`, `${failed} failed`].join(', ')}`;
}
