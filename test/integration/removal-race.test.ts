/**
 * containerd refuses no removal: that no container is left without its image is the adapter's doing. The long version of the same:
 * `node test/soak/containerd-removal-race.ts`, thousands of tries, and a kill between any two steps.
 */

import { expect, test } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { runRemovalKills } from '../soak/removal-kills.ts';
import { runRemovalRace } from '../soak/removal-race.ts';

/** Another version's binaries: containerd, its shims, ctr, runc. */
const bin = process.env['STEVEDORE_TEST_CONTAINERD_BIN'];
const other = bin === undefined ? {} : { bin };

describeWith(needs.containerd, 'a removal on containerd', () => {
  test('and a new container, brought close together: the image goes, or stays with all its names and parts', async () => {
    const { violations, outcomes } = await runRemovalRace({ tries: 40, seed: 11, ...other });
    expect(violations).toEqual([]);
    const undone = [...outcomes.keys()].filter((outcome) => /^(undone|kept by)/.test(outcome));
    expect(undone, [...outcomes].join('; ')).not.toEqual([]);
  });

  test('without its look after the names are gone would leave containers without an image: the race sees it', async () => {
    const { violations } = await runRemovalRace({ tries: 12, seed: 11, without: ['looks'], ...other });
    expect(violations).not.toEqual([]);
  });

  test('cut off by a kill is undone by the next process: all names, or none', async () => {
    const { violations, points } = await runRemovalKills({
      ...other,
      points: [
        { write: 5, after: true, used: false },
        { write: 7, after: true, used: false },
        { write: 7, after: true, used: true },
        { write: 9, after: false, used: true },
      ],
    });
    expect(violations).toEqual([]);
    expect(points).toBe(4);
  });
});
