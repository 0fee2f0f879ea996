/** The body of `POST /v1/prune`: a prune order as JSON, `{"dryRun": true, "tier": "space", "untilFreeBytes": 1000000000}`. */

import { errorMessage, Failure } from '../core/failure.ts';
import { toShownValue } from '../core/mistake.ts';
import { type PruneOrder, type PruneTier, pruneTiers } from '../core/prune-round.ts';

/** The largest order that makes sense is a tenth of it. */
export const pruneBodyLimitBytes = 1024;

export function toPruneBody(order: PruneOrder): string {
  return JSON.stringify(order);
}

/**
 * `dryRun` has to be said, and a key that is not known is refused: who misspells it shall not find the images gone.
 * @throws Failure `other` naming key, value and rule
 */
export function parsePruneBody(text: string): PruneOrder {
  const { dryRun, tier, untilFreeBytes, ...unknown } = parseObject(text);
  const [unknownKey] = Object.keys(unknown);
  if (unknownKey !== undefined) refuse(unknownKey, unknown[unknownKey], 'there is no such key');
  if (typeof dryRun !== 'boolean') refuse('dryRun', dryRun, 'must be true or false');
  return { dryRun, tier: parseTier(tier), untilFreeBytes: parseUntilFreeBytes(untilFreeBytes) };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure('other', `the prune request is not JSON: ${errorMessage(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Failure('other', 'the prune request must be a JSON object such as {"dryRun": true}');
  }
  return value as Readonly<Record<string, unknown>>;
}

function parseTier(value: unknown): PruneTier | undefined {
  if (value === undefined) return undefined;
  return pruneTiers.find((tier) => tier === value) ?? refuse('tier', value, `must be one of ${pruneTiers.join(', ')}`);
}

function parseUntilFreeBytes(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  return refuse('untilFreeBytes', value, 'must be a whole number of bytes above 0');
}

function refuse(key: string, value: unknown, rule: string): never {
  const shown = value === undefined ? '' : ` ${toShownValue(JSON.stringify(value))}`;
  throw new Failure('other', `prune request: ${toShownValue(key)}${shown}: ${rule}`);
}
