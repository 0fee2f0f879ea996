/** For thousands of tries, by hand: `node test/soak/docker-removal-race.ts --tries 3000`. */

import { expect, test } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { runDockerRemovalRace } from '../soak/docker-race.ts';

describeWith([...needs.dockerd, ...needs.registry], 'removals that race with new containers on docker', () => {
  test('leave no container without its image, and no image with part of its names', async () => {
    const { violations, outcomes } = await runDockerRemovalRace({ tries: 40, seed: 2 });
    expect(violations).toEqual([]);
    // Both sides won at times, or the race was none.
    const seen = [...outcomes.keys()].join('\n');
    expect(seen).toMatch(/removed, no container/);
    expect(seen).toMatch(/in_use, container/);
  });
});
