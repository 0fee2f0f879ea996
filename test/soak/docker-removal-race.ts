/**
 * The race of removals and new containers on dockerd by hand:
 *
 *     node test/soak/docker-removal-race.ts [--tries 3000] [--seed 1] [--bin FOLDER] [--naive]
 *
 * `STEVEDORE_RACE_TRIES` sets the default of `--tries`. Exit code 1 when something deviated from what must hold.
 */

import { parseArgs } from 'node:util';
import { runDockerRemovalRace } from './docker-race.ts';

const { values } = parseArgs({
  options: {
    tries: { type: 'string', default: process.env['STEVEDORE_RACE_TRIES'] ?? '3000' },
    seed: { type: 'string', default: '1' },
    bin: { type: 'string' },
    naive: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const race = await runDockerRemovalRace({
  tries: Number(values.tries),
  seed: Number(values.seed),
  naive: values.naive,
  say,
  ...(values.bin === undefined ? {} : { bin: values.bin }),
});
say(`dockerd ${race.version}: ${values.tries} tries, ${race.msPerTry.toFixed(0)} ms each`);
for (const [outcome, count] of [...race.outcomes].toSorted()) say(`  ${outcome}: ${count}`);
say(`violations: ${race.violations.length}`);
for (const what of race.violations.slice(0, 10)) say(`  ${what}`);
process.exit(race.violations.length === 0 ? 0 : 1);
