/** Takes back, step by step, what the agent left on the node. */

import type { Cluster } from '../cluster/cluster.ts';
import { Failure } from '../core/failure.ts';
import { planNodeClearance } from '../core/node-report.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import { traceKinds, type UninstallEvent, type UninstallStep } from '../core/uninstall-round.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface Step {
  readonly name: UninstallStep;
  /** @returns how much was taken back @throws what is then told as the step's failure */
  readonly run: (signal: AbortSignal) => Promise<number>;
}

/** Leases of the cluster that a node may hold are named so. */
const leasePrefix = 'stevedore-';
/** Another node may take a Lease between our look and our write: it is then no longer ours. */
const leaseTries = 3;

/** Every step is tried, whatever became of those before it. Events end with `done`. Throws only `signal.reason`. */
export async function runUninstall(
  steps: readonly Step[],
  onEvent: (event: UninstallEvent) => void,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  let total = 0;
  let failed = 0;
  for (const { name: step, run } of steps) {
    signal.throwIfAborted();
    try {
      const count = await run(signal);
      total += count;
      onEvent({ kind: 'done_step', step, count });
    } catch (error) {
      signal.throwIfAborted();
      failed += 1;
      onEvent({ kind: 'failed_step', step, message: Failure.from(error).message });
    }
  }
  const outcome = toOutcome(steps.length, failed, total);
  onEvent({ kind: 'done', outcome, count: total, failed });
  return outcome;
}

function toOutcome(steps: number, failed: number, total: number): RoundOutcome {
  if (failed === 0) return total === 0 ? 'noop' : 'success';
  return failed === steps ? 'error' : 'partial';
}

/** After removals that were cut off are undone. */
export function toTraceSteps(runtime: Pick<Runtime, 'removeTraces'>): readonly Step[] {
  return traceKinds.map((kind) => ({ name: kind, run: (signal) => runtime.removeTraces(kind, signal) }));
}

export function toClusterSteps(
  cluster: Pick<Cluster, 'read' | 'patchNodeStatus' | 'listLeases' | 'updateLease'>,
  nodeName: string,
): readonly Step[] {
  return [
    { name: 'node', run: (signal) => clearNode(cluster, signal) },
    { name: 'slots', run: (signal) => giveLeasesBack(cluster, nodeName, signal) },
  ];
}

/** Labels and condition; a Node that is gone has none. */
async function clearNode(cluster: Pick<Cluster, 'read' | 'patchNodeStatus'>, signal: AbortSignal): Promise<number> {
  try {
    const { node } = await cluster.read(signal);
    const clearance = planNodeClearance(node);
    if (clearance === undefined) return 0;
    await cluster.patchNodeStatus(clearance, signal);
    return Object.keys(clearance.labels).length + (clearance.condition === undefined ? 0 : 1);
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return 0;
    throw error;
  }
}

async function giveLeasesBack(
  cluster: Pick<Cluster, 'listLeases' | 'updateLease'>,
  nodeName: string,
  signal: AbortSignal,
): Promise<number> {
  let given = 0;
  for (let tries = 1; ; tries += 1) {
    const ours = (await cluster.listLeases(leasePrefix, signal)).filter(({ holder }) => isOurs(holder, nodeName));
    let conflict: Failure | undefined;
    for (const lease of ours) {
      try {
        await cluster.updateLease(lease, '', lease.durationSeconds, signal, lease.annotations);
        given += 1;
      } catch (error) {
        if (!(error instanceof Failure) || error.detail !== 'conflict') throw error;
        conflict = error;
      }
    }
    if (conflict === undefined) return given;
    if (tries === leaseTries) throw conflict;
  }
}

/** Pull slots are held by the node's name, the coordinator's Lease by one of its agents: the name with eight hexadecimal digits. */
function isOurs(holder: string, nodeName: string): boolean {
  return (
    holder === nodeName ||
    (holder.startsWith(`${nodeName}_`) && /^[0-9a-f]{8}$/.test(holder.slice(nodeName.length + 1)))
  );
}
