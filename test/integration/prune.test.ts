/**
 * Pruning by the bundled agent on real daemons: short versions of the runs of `npm run test:soak`. A small disk that is full, one without
 * inodes, prune runs amid pulls, and kill -9 at random moments.
 */

import { expect, test } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { runDisk } from '../soak/disk-run.ts';
import { runInodes } from '../soak/inode-run.ts';
import { runKills } from '../soak/kill-run.ts';
import { runPulls } from '../soak/pull-run.ts';

/** Seconds on a quiet machine; minutes on one that is busy with other things too. */
const timeout = 300_000;

for (const kind of ['containerd', 'docker'] as const) {
  const daemonNeeds = kind === 'docker' ? needs.dockerd : needs.containerd;
  describeWith([...daemonNeeds, ...needs.registry, ...needs.smallDisk], `pruning on ${kind}`, () => {
    test('a full disk comes down to the low watermark, with the right images left and their bytes counted', {
      timeout,
    }, async () => {
      const report = await runDisk({ kind, sizeBytes: 180 * 2 ** 20, otherWriter: false });
      expect(report.wrong).toEqual([]);
      expect(report.removed.length).toBeGreaterThan(2);
      expect(report.headlineBytes / report.gainBytes).toBeCloseTo(1, 2);
    });

    test('a disk that runs out of inodes comes down to the low watermark too', { timeout }, async () => {
      const report = await runInodes({ kind });
      expect(report.wrong).toEqual([]);
      expect(report.removed).toBeGreaterThan(0);
    });

    test('prune runs amid pulls break no image and lose none that is desired', { timeout }, async () => {
      const report = await runPulls({ kind, rounds: 2, seed: 2 });
      expect(report.wrong).toEqual([]);
      expect(report.pruneRuns).toBeGreaterThan(0);
      expect(report.removed).toBeGreaterThan(0);
    });

    test('after kill -9 at whatever moment the ledger is good, and images are whole with all names, or gone', {
      timeout,
    }, async () => {
      const report = await runKills({ kind, kills: 3, seed: 5 });
      expect(report.wrong).toEqual([]);
      expect(report.kills).toBe(3);
    });
  });
}
