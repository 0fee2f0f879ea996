/**
 * The race of removals and new containers by hand, and kills between the steps of a removal:
 *
 *     node test/soak/containerd-removal-race.ts [--tries 3000] [--seed 1] [--without looks,tie] [--bin FOLDER] [--no-kills]
 *
 * `STEVEDORE_RACE_TRIES` sets the default of `--tries`. Exit code 1 when something deviated from what must hold.
 */

import { parseArgs } from 'node:util';
import { type Handicap, runRemovalRace } from './removal-race.ts';
import { runRemovalKills } from './removal-kills.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    tries: { type: 'string', default: process.env['STEVEDORE_RACE_TRIES'] ?? '3000' },
    seed: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    bin: { type: 'string' },
    kills: { type: 'boolean', default: true },
  },
});
const isHandicap = (word: string): word is Handicap => word === 'looks' || word === 'tie';
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const other = values.bin === undefined ? {} : { bin: values.bin };

const race = await runRemovalRace({
  tries: Number(values.tries),
  seed: Number(values.seed),
  without: values.without.split(',').filter(isHandicap),
  say,
  ...other,
});
say(`containerd ${race.version}: ${race.tries} tries, ${race.msPerTry.toFixed(0)} ms each`);
for (const [outcome, count] of [...race.outcomes].toSorted()) say(`  ${outcome}: ${count}`);
const wrong = [...race.violations];
if (values.kills) {
  const kills = await runRemovalKills(other);
  say(
    `${kills.points} kills: ${kills.restored} put back, ${kills.gone} gone for good, ${kills.untouched} had lost no name`,
  );
  wrong.push(...kills.violations);
}
say(`violations: ${wrong.length}`);
for (const what of wrong.slice(0, 5)) say(`  ${what}`);
process.exit(wrong.length === 0 ? 0 : 1);
