/** A thousand agents on one API server and one registry: what they ask of both, and how long they take. See README.md, "Swarm". */

import { type BenchResult, printTable, toVerdict } from './report.ts';
import { type Fairness, toFairness, toIdealWaits } from './swarm/fairness.ts';
import { type ColdResult, type Load, runCold, runIdle, runKill } from './swarm/scenarios.ts';
import type { SwarmOptions } from './swarm/swarm-run.ts';

export interface SwarmSettings {
  readonly quick: boolean;
  /** Default 1,000, or 200 in a quick run. */
  readonly nodes: number | undefined;
}

const maxNodes = 20;
const killMaxNodes = 6;
const nodeBytesPerSecond = 200e6;
const imageBytes = 4e9;
const pullSeconds = imageBytes / nodeBytesPerSecond;
const slotLeaseSeconds = 60;

/** How much faster than the real one the swarm's time runs; what asks little of the machine may run faster. */
const speeds = { cold: 6, unlimited: 25, kill: 10, idle: 20 } as const;

export async function runSwarm({ quick, nodes = quick ? 200 : 1000 }: SwarmSettings): Promise<BenchResult> {
  const link = { imageBytes, nodeBytesPerSecond, registryBytesPerSecond: maxNodes * nodeBytesPerSecond };
  const options: SwarmOptions = { ...link, maxNodes };
  const idealSeconds = (nodes * imageBytes) / link.registryBytesPerSecond;
  const idleSeconds = quick ? 900 : 3600;

  console.log(`swarm: ${nodes} agents, one cold image, maxNodes ${maxNodes}`);
  const limited = await runCold(nodes, speeds.cold, options);
  console.log('swarm: the same without maxNodes');
  const unlimited = await runCold(nodes, speeds.unlimited, { ...options, maxNodes: undefined });
  console.log('swarm: nodes die that hold a slot');
  const kill = await runKill(60, 3, speeds.kill, { ...options, maxNodes: killMaxNodes });
  console.log(`swarm: ${nodes} agents, ${idleSeconds / 60} idle minutes`);
  const idle = await runIdle(nodes, idleSeconds, speeds.idle, options);

  const ideal = toFairness(toIdealWaits(nodes, maxNodes, pullSeconds));
  printPulls(limited, unlimited, ideal, idealSeconds);
  printLoads({ [`pulling, maxNodes ${maxNodes}`]: limited.load, 'pulling, no limit': unlimited.load, idle: idle.load });
  const { retakenAfterSeconds } = kill;
  console.log(
    `heap, after ${idleSeconds / 60} idle minutes: ${(idle.heapGrowthBytesPerAgent / 1e3).toFixed(1)} kB per agent more`,
  );
  console.log(`slots of killed nodes taken again after ${retakenAfterSeconds.map((s) => s.toFixed(0)).join(', ')} s`);
  for (const { complaints } of [limited.load, unlimited.load, idle.load])
    if (Object.keys(complaints).length > 0) console.log(complaints);

  // A limit that does not hold is no figure but a failure.
  if (limited.peak > maxNodes || kill.peak > killMaxNodes) process.exitCode = 1;
  return {
    bench: 'swarm',
    settings: { quick, nodes, maxNodes, ...link, pullSeconds, idleSeconds, speeds },
    verdicts: [
      toVerdict('swarm: pulls at the same time, most, with maxNodes 20', limited.peak, maxNodes),
      toVerdict('swarm: pulls at the same time, most, with maxNodes 6 and dying nodes', kill.peak, killMaxNodes),
      toVerdict('swarm: agents that went on without a slot', limited.load.failedOpen, 0),
      toVerdict('swarm: time to the last node by the ideal', limited.lastPulledSeconds / idealSeconds, 1.25),
      toVerdict(
        "swarm: a killed node's slot is taken again, s",
        Math.max(...retakenAfterSeconds),
        slotLeaseSeconds + 10,
      ),
      toVerdict('swarm: TLS connections per agent', limited.load.connections.total / nodes, 1),
      toVerdict('swarm: requests per agent in ten idle minutes', idle.load.requestsPerAgentAndHour / 6, 3),
      toVerdict(
        'swarm: refused or failed requests',
        limited.load.refused + unlimited.load.refused + idle.load.refused,
        0,
      ),
    ],
    figures: { idealSeconds, ideal, limited, unlimited, kill, idle },
  };
}

function printPulls(limited: ColdResult, unlimited: ColdResult, ideal: Fairness, idealSeconds: number): void {
  const seconds = (value: number): string => value.toFixed(0);
  const toRow = (name: string, result: ColdResult): string[] => {
    const { peak, lastPulledSeconds, medianPulledSeconds, slotUse, fairness } = result;
    return [
      name,
      String(peak),
      seconds(lastPulledSeconds),
      (lastPulledSeconds / idealSeconds).toFixed(2),
      seconds(medianPulledSeconds),
      slotUse === undefined ? '-' : `${Math.round(100 * slotUse)} %`,
      ...toCells(fairness),
    ];
  };
  const toCells = ({ waitSeconds, p95, jain, longestByMedian }: Fairness): string[] => [
    `${seconds(waitSeconds.median)} (${seconds(waitSeconds.min)}-${seconds(waitSeconds.max)})`,
    seconds(p95),
    jain.toFixed(2),
    longestByMedian.toFixed(2),
  ];
  printTable(
    'One cold image (seconds of the swarm)',
    [
      'run',
      'most pulls at once',
      'last node',
      'by ideal',
      'half of the nodes',
      'slots in use',
      'wait for the pull, median (range)',
      'p95',
      'Jain',
      'longest by median',
    ],
    [
      toRow('maxNodes 20', limited),
      toRow('no limit', unlimited),
      ['ideal', String(maxNodes), seconds(idealSeconds), '1.00', seconds(idealSeconds / 2), '100 %', ...toCells(ideal)],
    ],
  );
}

function printLoads(loads: Readonly<Record<string, Load>>): void {
  printTable(
    'Requests to the API server',
    ['run', 'per agent', 'per agent and hour', 'per second', 'most in a second', 'TLS connections', 'MB per agent'],
    Object.entries(loads).map(([name, load]) => [
      name,
      load.requestsPerAgent.toFixed(1),
      load.requestsPerAgentAndHour.toFixed(1),
      load.requestsPerSecond.toFixed(1),
      String(load.mostRequestsPerSecond),
      String(load.connections.total),
      (load.bytesPerAgent / 1e6).toFixed(2),
    ]),
  );
  const kinds = [...new Set(Object.values(loads).flatMap(({ byKind }) => Object.keys(byKind)))].toSorted();
  printTable(
    'The same by kind, per agent',
    ['request', ...Object.keys(loads)],
    kinds.map((kind) => [kind, ...Object.values(loads).map(({ byKind }) => (byKind[kind] ?? 0).toFixed(2))]),
  );
}
