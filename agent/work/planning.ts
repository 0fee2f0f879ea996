import { Failure, runtimeUnavailable } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { Leftover } from '../core/leftovers.ts';
import { type NodeHold, toHolds } from '../core/node-holds.ts';
import type { PlanInput } from '../core/plan-document.ts';
import type { PrunePlan } from '../core/prune-plan.ts';
import { toPruneRequest, wholeRequest } from '../core/prune-request.ts';
import type { PruneOrder, PruneRoundEvent } from '../core/prune-round.ts';
import type { PlanResolutionInput } from '../core/plan-resolution.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { RuntimeInfo } from '../runtime/runtime.ts';
import { listLeftovers } from './leftover-pruner.ts';
import type { NodeInputs } from './node-inputs.ts';
import { toPruneNotes } from './prune-notes.ts';
import type { Pruner } from './pruner.ts';
import type { Reconciler } from './reconciler.ts';
import type { Connected } from './runtime-connection.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface PlanningParts {
  readonly nodeName: string;
  readonly inputs: NodeInputs;
  readonly reconciler: Reconciler;
  readonly pruner: Pruner;
  readonly usage: UsageTracker;
  readonly readFilesystem: (info: RuntimeInfo) => Promise<ImageFilesystem | undefined>;
  readonly connected: () => Connected | undefined;
  /** What was resolved for this node; undefined: nothing. */
  readonly resolution?: () => PlanResolutionInput | undefined;
  readonly log: Logger;
}

/** What commands and readers ask of the agent: its plans, and prune runs by hand. */
export class Planning {
  readonly #parts: PlanningParts;

  constructor(parts: PlanningParts) {
    this.#parts = parts;
  }

  /** @throws Failure while configuration, labels or runtime are missing */
  async planNow(signal: AbortSignal): Promise<PlanInput> {
    const { reconciler, pruner, inputs, connected } = this.#parts;
    const pulls = await reconciler.planOnly(signal);
    const prune = await pruner.plan(wholeRequest, signal);
    const [now, settings] = [connected(), inputs.configuration?.prune];
    const leftovers =
      now === undefined || settings === undefined ? [] : await listLeftovers(settings, now.runtime, signal);
    const filesystem = now === undefined ? undefined : await this.#parts.readFilesystem(now.info);
    return this.#toInput(pulls, prune, leftovers, filesystem);
  }

  /** @throws Failure as above */
  lastPlan(): PlanInput {
    const { reconciler, pruner } = this.#parts;
    return this.#toInput(reconciler.plan, pruner.lastPlan, [], reconciler.lastFilesystem);
  }

  /** One run now. @throws Failure where pruning is off or cannot do what is asked */
  async pruneNow(
    order: PruneOrder,
    onEvent: (event: PruneRoundEvent) => void,
    signal: AbortSignal,
  ): Promise<RoundOutcome> {
    const { inputs, pruner, usage, connected, readFilesystem } = this.#parts;
    const [settings, now] = [inputs.configuration?.prune, connected()];
    if (settings === undefined) throw new Failure('other', inputs.problem ?? 'nothing is known yet');
    if (now === undefined) throw runtimeUnavailable();
    const dryRun = order.dryRun || settings.dryRun;
    if (!settings.enabled && !dryRun) throw new Failure('other', 'prune.enabled is false: only --dry-run is possible');
    const hold = this.#pruneHold;
    if (hold !== undefined && !dryRun) {
      throw new Failure('other', `nothing is pruned while ${hold.message}: only --dry-run is possible`);
    }
    const request = toPruneRequest(order);
    if (request.age && usage.problem !== undefined) {
      if (order.tier === 'age') {
        throw new Failure('other', `nothing is pruned by age, since last use is not kept: ${usage.problem}`);
      }
      this.#parts.log.warn({ why: usage.problem }, 'nothing is pruned by age');
    }
    if ((request.untilFreeBytes !== undefined || !request.age) && (await readFilesystem(now.info)) === undefined) {
      throw new Failure('other', 'the image filesystem cannot be seen: name a folder on it with --image-filesystem');
    }
    const { outcome } = await pruner.run({ trigger: 'manual', request, dryRun, paced: false, onEvent }, signal);
    return outcome;
  }

  get #pruneHold(): NodeHold | undefined {
    const { configuration, node } = this.#parts.inputs;
    if (configuration === undefined || node === undefined) return undefined;
    return toHolds(node, configuration.prefetch).prune;
  }

  #toInput(
    plan: PullPlan | undefined,
    prune: PrunePlan | undefined,
    leftovers: readonly Leftover[],
    filesystem: ImageFilesystem | undefined,
  ): PlanInput {
    const { inputs, connected, nodeName, usage, resolution } = this.#parts;
    const { configuration, node, problem } = inputs;
    if (configuration === undefined || node === undefined)
      throw new Failure('other', problem ?? 'nothing is known yet');
    if (plan === undefined) throw runtimeUnavailable();
    const { enabled, dryRun } = configuration.prune;
    const notes = toPruneNotes(configuration.prune, usage, filesystem, nodeName, Date.now(), this.#pruneHold);
    return {
      node: { name: nodeName, labels: node.labels },
      runtime: connected()?.info,
      configuration,
      hold: toHolds(node, configuration.prefetch).pull,
      plan,
      resolution: resolution?.(),
      prune: { plan: prune, enabled, dryRun, leftovers, notes },
    };
  }
}
