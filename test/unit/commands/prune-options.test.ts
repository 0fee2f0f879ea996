import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PruneOrder } from '../../../agent/core/prune-round.ts';
import { makeStateFolder, runStevedore } from './command-line.ts';

let folder: Awaited<ReturnType<typeof makeStateFolder>>;

beforeEach(async () => {
  folder = await makeStateFolder();
});
afterEach(() => folder.remove());

async function orderOf(argv: readonly string[]): Promise<PruneOrder | undefined> {
  let order: PruneOrder | undefined;
  const agent = {
    pruneRound: (asked: PruneOrder) => {
      order = asked;
      return Promise.resolve('noop' as const);
    },
  };
  await runStevedore(['prune', '--state-dir', folder.path, ...argv], { agent });
  return order;
}

describe('the options of stevedore prune', () => {
  it.each<[readonly string[], PruneOrder]>([
    [[], { dryRun: false, tier: undefined, untilFreeBytes: undefined }],
    [['--dry-run'], { dryRun: true, tier: undefined, untilFreeBytes: undefined }],
    [['--tier', 'age'], { dryRun: false, tier: 'age', untilFreeBytes: undefined }],
    [['--until-free', '50Gi'], { dryRun: false, tier: undefined, untilFreeBytes: 50 * 2 ** 30 }],
    [
      ['--tier=critical', '--until-free=1.5G', '--dry-run'],
      { dryRun: true, tier: 'critical', untilFreeBytes: 1_500_000_000 },
    ],
  ])('%j is ordered as it is written', async (argv, order) => {
    expect(await orderOf(argv)).toEqual(order);
  });

  it.each([
    [['--tier', 'all'], '--tier "all": must be one of age, space, critical'],
    [['--tier', ''], '--tier "": must be one of age, space, critical'],
    [
      ['--until-free', '10%'],
      '--until-free "10%": must be a size above 0 such as 50Gi (Ki to Ti), 50G (k to T) or bytes',
    ],
    [['--until-free', '0'], '--until-free "0": must be a size above 0'],
    [['--until-free', '-5Gi'], '--until-free "-5Gi": must be a size above 0'],
    [['--until-free', '50GB'], '--until-free "50GB": must be a size above 0'],
  ])('%j is refused with option, value and rule before anything is touched', async (argv, message) => {
    const { exitCode, stdout, stderr, settings } = await runStevedore(['prune', ...argv]);
    expect(stderr).toContain(`stevedore: ${message}`);
    expect({ exitCode, stdout, settings }).toEqual({ exitCode: 2, stdout: '', settings: undefined });
  });
});
