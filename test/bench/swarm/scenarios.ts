/** What the swarm goes through; each scenario with processes of its own. All seconds are the swarm's. */

import type { ProcessFigures } from './agent-process.ts';
import type { ApiFigures } from './api-process.ts';
import { type Fairness, toFairness } from './fairness.ts';
import { type SwarmOptions, SwarmRun } from './swarm-run.ts';

/** Of what the API server and the agents' processes counted between two moments. */
export interface Load {
  readonly seconds: number;
  readonly requestsPerAgent: number;
  readonly requestsPerAgentAndHour: number;
  readonly requestsPerSecond: number;
  readonly mostRequestsPerSecond: number;
  /** By `verb resource status`, per agent. */
  readonly byKind: Readonly<Record<string, number>>;
  readonly refused: number;
  readonly connections: ApiFigures['connections'];
  readonly complaints: Readonly<Record<string, number>>;
  readonly failedOpen: number;
  readonly eventsDropped: number;
  readonly watchRestarts: number;
  readonly bytesPerAgent: number;
}

export interface ColdResult {
  readonly load: Load;
  readonly peak: number;
  readonly pulls: number;
  /** From the edit to the end of the last pull. */
  readonly lastPulledSeconds: number;
  /** From the edit until the status view shows the last node as ready. */
  readonly lastReadySeconds: number;
  readonly medianPulledSeconds: number;
  readonly fairness: Fairness;
  /** Share of the time until the last pull began in which the slots were in use. */
  readonly slotUse: number | undefined;
}

export interface KillResult {
  /** From the kill to the moment at which another node pulls in its place, for each slot that was lost. */
  readonly retakenAfterSeconds: readonly number[];
  readonly peak: number;
}

/** Until what a start sets off has come to rest. */
const settleSeconds = 60;
/** What all agents do within a second is done by two cores here: slowly, or time-outs that no cluster would see would be all that is measured. */
const rush = [
  { factor: 0.2, seconds: 4 },
  { factor: 2, seconds: 20 },
] as const;

/** One edit names a cold image: until every node has it. */
export async function runCold(nodes: number, speed: number, options: SwarmOptions): Promise<ColdResult> {
  await using scope = new AsyncDisposableStack();
  const run = await SwarmRun.start(options, scope);
  await run.configure(false);
  const agents = await run.startAgents(toNames('node', nodes));
  run.setSpeed(speed);
  await run.pass(settleSeconds);
  await run.forgetRequests();
  run.setSpeed(rush[0].factor);
  const editedAt = run.now;
  await run.configure(true);
  for (const { factor, seconds } of rush) {
    run.setSpeed(factor);
    await run.pass(seconds);
  }
  run.setSpeed(speed);
  const ideal = (nodes * options.imageBytes) / options.registryBytesPerSecond;
  try {
    await run.until('every node is ready', 2 * ideal + 600, async () => (await run.ready()) === nodes);
  } catch (error) {
    const { current, transfers } = run.link;
    const done = transfers.filter(({ doneAt }) => doneAt !== undefined).length;
    const complaints = (await run.askAll(agents.processes)).map((figures) => figures.complaints);
    console.log({ ready: await run.ready(), pulling: current, pulled: done, holders: await run.holders(), complaints });
    throw error;
  }
  const lastReadySeconds = run.secondsSince(editedAt);
  const { transfers, peak } = run.link;
  const begun = transfers.map(({ startedAt }) => run.secondsSince(editedAt, startedAt));
  const pulled = transfers.flatMap(({ doneAt }) => (doneAt === undefined ? [] : [run.secondsSince(editedAt, doneAt)]));
  const lastBegun = Math.max(...begun);
  const busy = transfers.reduce((sum, { doneAt }, index) => {
    const from = begun[index] ?? 0;
    const to = doneAt === undefined ? from : run.secondsSince(editedAt, doneAt);
    return sum + Math.max(0, Math.min(to, lastBegun) - from);
  }, 0);
  return {
    load: toLoad(
      nodes,
      lastReadySeconds,
      await run.figures(),
      await run.askAll(agents.processes),
      agents.bytesPerAgent,
    ),
    peak,
    pulls: transfers.length,
    lastPulledSeconds: Math.max(...pulled),
    lastReadySeconds,
    medianPulledSeconds: toFairness(pulled).waitSeconds.median,
    fairness: toFairness(begun),
    slotUse: options.maxNodes === undefined ? undefined : busy / (options.maxNodes * lastBegun),
  };
}

export interface IdleResult {
  readonly load: Load;
  /** Of the heap, after a collection at both ends: what an hour leaves behind. */
  readonly heapGrowthBytesPerAgent: number;
}

/** Everything is there, and nothing happens. */
export async function runIdle(
  nodes: number,
  seconds: number,
  speed: number,
  options: SwarmOptions,
): Promise<IdleResult> {
  await using scope = new AsyncDisposableStack();
  const run = await SwarmRun.start(options, scope);
  await run.configure(true);
  const agents = await run.startAgents(toNames('node', nodes), { isWarm: true });
  await run.until('every node is ready', 600, async () => (await run.ready()) === nodes);
  run.setSpeed(speed);
  await run.pass(settleSeconds);
  const heapBytes = (figures: readonly ProcessFigures[]): number =>
    figures.reduce((sum, one) => sum + one.heapBytes, 0);
  const before = heapBytes(await run.askAll(agents.processes));
  await run.forgetRequests();
  await run.pass(seconds);
  const requests = await run.figures();
  const processes = await run.askAll(agents.processes);
  return {
    load: toLoad(nodes, seconds, requests, processes, agents.bytesPerAgent),
    heapGrowthBytesPerAgent: (heapBytes(processes) - before) / nodes,
  };
}

/** Nodes that hold slots lose power while others wait for one. */
export async function runKill(
  nodes: number,
  victims: number,
  speed: number,
  options: SwarmOptions,
): Promise<KillResult> {
  await using scope = new AsyncDisposableStack();
  const run = await SwarmRun.start(options, scope);
  await run.configure(true);
  const dying = await run.startAgents(toNames('victim', victims), { isEndless: true, processes: 1 });
  await run.until('every victim pulls', 600, () => run.link.current === victims);
  await run.startAgents(toNames('node', nodes), { processes: 1 });
  const { maxNodes = 0 } = options;
  run.setSpeed(speed);
  await run.until('all slots are in use', 600, () => run.link.current === maxNodes);
  const lost = (await run.holders()).filter(({ holder }) => dying.nodes.includes(holder)).map(({ slot }) => slot);
  await run.kill(dying);
  const killedAt = run.now;
  const retakenAfterSeconds: number[] = [];
  const missing = new Set(lost);
  await run.until('the lost slots are taken again', 600, async () => {
    for (const { slot, holder } of await run.holders()) {
      if (holder === '' || dying.nodes.includes(holder) || !missing.delete(slot)) continue;
      retakenAfterSeconds.push(run.secondsSince(killedAt));
    }
    return missing.size === 0;
  });
  return { retakenAfterSeconds, peak: run.link.peak };
}

function toNames(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(4, '0')}`);
}

function toLoad(
  nodes: number,
  seconds: number,
  { requests, refused, mostRequestsPerSecond, connections }: ApiFigures,
  processes: readonly ProcessFigures[],
  bytesPerAgent: number,
): Load {
  const count = Object.values(requests).reduce((sum, one) => sum + one, 0);
  const sum = (of: (figures: ProcessFigures) => number): number => processes.reduce((total, one) => total + of(one), 0);
  const complaints: Record<string, number> = {};
  for (const one of processes) {
    for (const [words, times] of Object.entries(one.complaints)) complaints[words] = (complaints[words] ?? 0) + times;
  }
  return {
    seconds,
    requestsPerAgent: count / nodes,
    requestsPerAgentAndHour: (count / nodes) * (3600 / seconds),
    requestsPerSecond: count / seconds,
    mostRequestsPerSecond,
    byKind: Object.fromEntries(Object.entries(requests).map(([kind, times]) => [kind, times / nodes])),
    refused,
    connections,
    complaints,
    failedOpen: sum((one) => one.failedOpen),
    eventsDropped: sum((one) => one.eventsDropped),
    watchRestarts: sum((one) => one.watchRestarts),
    bytesPerAgent,
  };
}
