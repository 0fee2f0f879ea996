import { describe, expect, it } from 'vitest';
import type { PlanPruneInput } from '../../../agent/core/prune-document.ts';
import { samplePrune } from '../prune-plan-sample.ts';
import { runStevedore, samplePlan } from './command-line.ts';

const noState = ['--state-dir', '/nonexistent/stevedore'];
const sample = samplePrune(samplePlan.plan.at);
const nothing = {
  ...sample.plan,
  images: [],
  targetBytes: 0,
  targetInodes: 0,
  shortfallInodes: 0,
  shortfallBytes: 0,
  reclaimableBytes: 0,
};

/** What stands below the pull plan. */
async function textOf(prune: PlanPruneInput, columns?: number): Promise<string> {
  const agent = { plan: () => Promise.resolve({ ...samplePlan, prune }) };
  const { stdout, stderr } = await runStevedore(['plan', ...noState], {
    agent,
    ...(columns === undefined ? {} : { columns }),
  });
  expect(stderr).toBe('');
  return stdout.split('1 refused, 1 present\n')[1] ?? stdout;
}

describe('the prune plan for people', () => {
  it('shows what goes in order, what stays, why, and what that makes', async () => {
    const id = `sha256:${'a'.repeat(64)}`;
    const digest = `r/team/app@sha256:${'c'.repeat(64)}`;
    expect(await textOf(sample)).toBe(
      `
Prune

To remove, in this order:
IMAGE                                                                               WHY       LAST USED              FREES    TOTAL
r/old:1 (+1)                                                                        age       9d ago (exit)        1.0 GiB  1.0 GiB
${digest}  space     3d ago (first seen)  3.0 GiB  4.0 GiB
<none> ${id}      critical  59m ago (start)          0 B  4.0 GiB

To keep:
IMAGE               WHY             LAST USED            SIZE
r/in-use:1          in_use          now (in use)      4.0 GiB
r/desired:1         desired         24h ago (pulled)  4.0 GiB
r/pulling:1         pulling         unknown           4.0 GiB
r/infrastructure:1  infrastructure  unknown           4.0 GiB
r/pinned:1          pinned          unknown           4.0 GiB
r/keep-rule:1       keep_rule       unknown           4.0 GiB
r/too-young:1       too_young       now (pulled)      4.0 GiB
r/keep-newest:1     keep_newest     unknown           4.0 GiB
r/unknown-use:1     unknown_use     unknown           4.0 GiB
r/recently-used:1   recently_used   1h ago (start)    4.0 GiB
r/not-needed:1      not_needed      unknown           4.0 GiB

Beside images:
  unfinished downloads: 2, 1.0 GiB, 1 of unknown size
  leases: 1, size unknown

14 images on this node: 3 to remove (frees 4.0 GiB of 6.0 GiB wanted), 11 to keep
8.0 GiB would come back if all went that nothing protects
1000 inodes have to come back, too
the target is missed by 2.0 GiB: nothing more may go
`,
    );
  });

  it('fits a terminal of 80 columns and loses nothing', async () => {
    const text = await textOf(sample, 80);
    for (const line of text.split('\n').filter((one) => !one.startsWith('14 images'))) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
    const names = text
      .split('\n')
      .map((line) => line.split(' ')[0])
      .join('');
    expect(names).toContain(`r/team/app@sha256:${'c'.repeat(64)}`);
  });

  it('gives every one of hundreds of images one line when it is not for a terminal', async () => {
    const [image] = sample.plan.images;
    if (image === undefined) throw new Error('the sample has none');
    const images = Array.from({ length: 500 }, (_, index) => ({ ...image, names: [`r/many:${index}`] }));
    const text = await textOf({ ...sample, plan: { ...sample.plan, images } });
    expect(text.split('\n').filter((line) => line.startsWith('r/many:'))).toHaveLength(500);
  });

  it.each([
    [{ enabled: false }, 'Prune, off: nothing is removed\n'],
    [{ dryRun: true }, 'Prune, dry run: nothing is removed\n'],
    [{ enabled: false, dryRun: true }, 'Prune, off: nothing is removed\n'],
    [
      { notes: ['age pruning waits for 6d', 'no disk figures'] },
      'Prune\n  age pruning waits for 6d\n  no disk figures\n',
    ],
  ])('says first what holds it back: %j', async (more, first) => {
    expect(await textOf({ ...sample, ...more })).toMatch(new RegExp(`^\n${first}\nTo remove, in this order:\n`));
  });

  it('says so when nothing goes', async () => {
    expect(await textOf({ ...sample, leftovers: [], plan: nothing })).toBe(
      `
Prune

No image is to be removed.

0 images on this node: 0 to remove (frees 0 B), 0 to keep
0 B would come back if all went that nothing protects
`,
    );
  });

  it('is missing without a plan', async () => {
    expect(await textOf({ ...sample, plan: undefined })).toBe('');
  });

  it('is in the JSON, too', async () => {
    const agent = { plan: () => Promise.resolve({ ...samplePlan, prune: sample }) };
    const { stdout } = await runStevedore(['plan', '--json', ...noState], { agent });
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, prune: { totals: { remove: 3, keep: 11 } } });
  });
});
