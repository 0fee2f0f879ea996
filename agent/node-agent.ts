/** The parts of one agent, connected: agent.ts builds them; daemon.ts and one-shot.ts run them. */

import type { ClusterMember } from './cluster-member.ts';
import type { HandWarmOrder, OnHandWarmEvent } from './coordinator/hand-warming-events.ts';
import type { Logger } from './core/logger.ts';
import type { PlanInput } from './core/plan-document.ts';
import type { PruneOrder, PruneRoundEvent } from './core/prune-round.ts';
import type { PullRoundEvent, RoundOutcome } from './core/pull-round.ts';
import type { UninstallEvent } from './core/uninstall-round.ts';
import type { Health } from './ops/health.ts';
import type { Metrics } from './ops/metrics.ts';
import type { Registry } from './registry/registry.ts';
import type { Resolving } from './resolving.ts';
import type { Settings } from './settings.ts';
import type { NodeInputs } from './work/node-inputs.ts';
import type { PruneJob } from './work/prune-job.ts';
import type { Reconciler } from './work/reconciler.ts';
import type { Connected, RuntimeConnection } from './work/runtime-connection.ts';
import type { UsageTracker } from './work/usage-tracker.ts';

/** What `stevedore warm` was told. */
export interface WarmRequest extends Pick<HandWarmOrder, 'dryRun'> {
  /** As `storedName` writes them. */
  readonly images: readonly string[];
  /** As `formatPlatform` writes them; undefined: those of the cluster's nodes, or the own one. */
  readonly platforms: readonly string[] | undefined;
}

/** What the commands ask of an agent. */
export interface Agent {
  /** The daemon; resolves once the signal has fired and everything is put away. */
  run(signal: AbortSignal): Promise<void>;
  /** One look that changes nothing, not even in the state folder. */
  plan(signal: AbortSignal): Promise<PlanInput>;
  /** One round without a running agent; the caller holds the state folder. Events end with `done`. */
  pullRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
  /** One prune run without a running agent; the caller holds the state folder. Events end with `done`. */
  pruneRound(order: PruneOrder, onEvent: (event: PruneRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
  /** Makes Harbors hold images, or says what they do not hold; needs no state folder. Events end with `done`. @throws Failure */
  warm(request: WarmRequest, onEvent: OnHandWarmEvent, signal: AbortSignal): Promise<RoundOutcome>;
  /** Takes back what an agent left on this node; the caller holds the state folder, where there is one. Events end with `done`. */
  uninstall(onEvent: (event: UninstallEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
}

export interface NodeAgent {
  readonly settings: Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly inputs: NodeInputs;
  readonly registry: Registry;
  readonly resolving: Resolving;
  /** Undefined: without Kubernetes. */
  readonly member: ClusterMember | undefined;
  readonly connection: RuntimeConnection;
  readonly reconciler: Reconciler;
  readonly usage: UsageTracker;
  readonly pruneJob: PruneJob;
  readonly isConnected: boolean;
  /** Finds the runtime and asks it who it is. @throws Failure */
  connect(signal: AbortSignal): Promise<Connected>;
  /** Puts back what a kill cut off. @returns how many images got names back; undefined: it could not be undone, which is logged */
  recover(connected: Connected, signal: AbortSignal): Promise<number | undefined>;
  useRuntime(now: Connected | undefined): void;
  /** Looks, when something asks for it, until the signal fires. */
  loop(signal: AbortSignal): Promise<void>;
  /** What is planned now, asked anew. @throws Failure */
  planNow(signal: AbortSignal): Promise<PlanInput>;
  /** What was planned last: makes neither the runtime nor the registry work. @throws Failure */
  lastPlan(): PlanInput;
  /** @throws Failure when pruning is off, or nothing can be pruned now */
  pruneNow(order: PruneOrder, onEvent: (event: PruneRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
}
