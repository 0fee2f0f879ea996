/**
 * The churn test by hand, for as long as wanted:
 *
 *     node test/churn/churn.ts --runtime containerd --minutes 5 --seed 7 [--without agentKilled,agentStopped] [--log FILE]
 *
 * Exit code 1 when something deviated from what must hold.
 */

import { parseArgs } from 'node:util';
import { runChurn } from './churn-run.ts';

const { values } = parseArgs({
  options: {
    runtime: { type: 'string', default: 'containerd' },
    minutes: { type: 'string', default: '5' },
    rounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    log: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

const report = await runChurn({
  kind: values.runtime === 'docker' ? 'docker' : 'containerd',
  seed: Number(values.seed),
  forMs: Number(values.minutes) * 60_000,
  ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
  actionsPerRound: 14,
  gapMs: 1_200,
  settleMs: 60_000,
  without: values.without.split(','),
  ...(values.log === undefined ? {} : { logPath: values.log }),
  say: (line) => {
    if (!values.quiet || line.startsWith('DEVIATION')) process.stdout.write(`${line}\n`);
  },
});

const list = (map: ReadonlyMap<string, number>): string =>
  [...map].map(([name, count]) => `${name} ${count}`).join(', ');
process.stdout.write(`
${values.runtime}, seed ${values.seed}: ${report.rounds} rounds, ${report.lives} lives of the agent
actions:    ${list(report.actions)}
log:        ${list(report.messages)}
settled ms: ${report.settledMs.join(' ')}
life/age s/RSS MB/descriptors: ${report.samples.map((s) => `${s.life}/${s.ageSeconds}/${s.rssMegabytes}/${s.fileDescriptors}`).join('  ')}
deviations: ${report.deviations.length}
${report.deviations.map((what) => `  ${what}`).join('\n')}
`);
process.exit(report.deviations.length === 0 ? 0 : 1);
