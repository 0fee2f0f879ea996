/**
 * The agent amid random trouble on real daemons: whatever happened, it gets everything right once the trouble ends, and breaks
 * no promise meanwhile. For as long as wanted by hand: `node test/churn/churn.ts --runtime docker --minutes 5 --seed 7`.
 */

import { expect, test } from 'vitest';
import { runChurn } from '../churn/churn-run.ts';
import { describeWith, needs } from '../harness/needs.ts';

for (const kind of ['containerd', 'docker'] as const) {
  const daemonNeeds = kind === 'docker' ? needs.dockerd : needs.containerd;
  describeWith([...daemonNeeds, ...needs.registry], `amid trouble on ${kind}`, () => {
    test('it keeps its promises and holds what is asked for once the trouble ends', async () => {
      const said: string[] = [];
      const { deviations, lives } = await runChurn({
        kind,
        seed: 3,
        rounds: 2,
        actionsPerRound: 16,
        gapMs: 600,
        settleMs: 30_000,
        say: (line) => said.push(line),
      });
      // The events before a deviation are what one needs to know.
      expect(deviations, said.join('\n')).toEqual([]);
      expect(lives).toBeGreaterThan(1);
    });
  });
}
