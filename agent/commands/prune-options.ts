import type { Command } from 'commander';
import { type PruneOrder, pruneTiers } from '../core/prune-round.ts';
import { parseSize } from '../core/units.ts';
import { fail, parseChoice } from './option-values.ts';

/** As commander hands them over: only what was written on the command line. */
export interface PruneOptions {
  readonly dryRun?: boolean;
  readonly tier?: string;
  readonly untilFree?: string;
}

export function addPruneOptions(command: Command): Command {
  return command
    .option('--dry-run', 'show what would be removed, remove nothing')
    .option(
      '--tier <tier>',
      `the rule to remove by: ${pruneTiers.join(', ')} (default: age, and space as far as the watermarks ask for it)`,
    )
    .option('--until-free <size>', 'remove until this much is free: 50Gi, 50G or bytes (default: the watermarks)');
}

/** @throws UsageError naming option, value and rule */
export function parsePruneOrder({ dryRun = false, tier, untilFree }: PruneOptions): PruneOrder {
  return {
    dryRun,
    tier: tier === undefined ? undefined : parseChoice({ name: '--tier', value: tier }, pruneTiers),
    untilFreeBytes: untilFree === undefined ? undefined : parseFreeSize(untilFree),
  };
}

function parseFreeSize(value: string): number {
  const bytes = parseSize(value);
  if (bytes !== undefined && bytes > 0) return bytes;
  return fail({ name: '--until-free', value }, 'must be a size above 0 such as 50Gi (Ki to Ti), 50G (k to T) or bytes');
}
