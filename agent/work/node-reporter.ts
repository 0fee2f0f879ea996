import type { Cluster } from '../cluster/cluster.ts';
import { clusterBackoffMs } from '../core/cluster-backoff.ts';
import { TokenBucket } from '../core/event-budget.ts';
import { Failure } from '../core/failure.ts';
import type { ImageSetState } from '../core/image-set-state.ts';
import type { Logger } from '../core/logger.ts';
import { applyNodePatch, type NodeStatusPatch, planNodeReport } from '../core/node-report.ts';
import type { NodeState } from '../core/node-state.ts';
import { Trigger } from './trigger.ts';

export interface NodeReporterParts {
  readonly cluster: Pick<Cluster, 'patchNodeStatus'>;
  readonly log: Logger;
  /** 0 to 1, as Math.random gives it. */
  readonly random?: () => number;
}

/** Between two writes: also the time in which the watch shows what the first one changed. */
const gapMs = 1_000;
/** The condition's words change with every image of a set: the first few at once, then one in half a minute. */
const textBurst = 5;
const textRefillMs = 30_000;
/** Twice the longest time between two looks, and some: what no look has confirmed for so long, as the runtime is gone, is not told on. */
const lookedWithinMs = 660_000;
/** Whatever the clock does meanwhile, what is due is looked at again after this time. */
const longestWaitMs = 600_000;

/**
 * Keeps the labels and the condition of the node's image sets on the Node as they are: whatever changed or went lost there is written again.
 * Nothing is written before both the Node and the first look at the sets are known.
 */
export class NodeReporter {
  readonly #parts: Required<NodeReporterParts>;
  readonly #trigger = new Trigger();
  readonly #textBudget = new TokenBucket(textBurst, textRefillMs);
  #sets: readonly ImageSetState[] | undefined;
  /** On the monotonic clock. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #node: NodeState | undefined;
  #notBefore = 0;
  #failures = 0;
  #said: string | undefined;

  constructor(parts: NodeReporterParts) {
    this.#parts = { random: Math.random, ...parts };
  }

  /** After every look: all sets that select the node now. */
  update(sets: readonly ImageSetState[]): void {
    this.#sets = sets;
    this.#lookedAt = performance.now();
    this.#trigger.fire();
  }

  /** As the cluster told it last; undefined: there is no such Node. */
  node(node: NodeState | undefined): void {
    if (node?.uid !== this.#node?.uid) {
      this.#failures = 0;
      this.#notBefore = 0;
    }
    this.#node = node;
    this.#trigger.fire();
  }

  /** Resolves when the signal fires; never rejects for what the API server does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = Date.now();
      const due = this.#plan(now);
      if (due !== undefined && due.at <= now) await this.#write(due.patch, due.isUrgent, signal);
      else await this.#trigger.wait(Math.min(due?.at ?? Number.POSITIVE_INFINITY, now + longestWaitMs), signal);
    }
  }

  #plan(now: number): { at: number; patch: NodeStatusPatch | undefined; isUrgent: boolean } | undefined {
    if (this.#sets === undefined || this.#node === undefined) return undefined;
    if (performance.now() - this.#lookedAt > lookedWithinMs) return undefined;
    const { patch, isUrgent, heartbeatDueAt } = planNodeReport(this.#sets, this.#node, now);
    // A clock that was set back must not make it wait for longer than it ever would.
    if (this.#notBefore > now + longestWaitMs) this.#notBefore = now;
    const heartbeatIsDue = heartbeatDueAt <= now;
    const changeAt = isUrgent || heartbeatIsDue ? now : this.#textBudget.readyAt(now);
    const at = patch === undefined ? heartbeatDueAt : Math.min(changeAt, Math.max(now, heartbeatDueAt));
    return { at: Math.max(at, this.#notBefore), patch, isUrgent: isUrgent || heartbeatIsDue };
  }

  async #write(patch: NodeStatusPatch | undefined, isUrgent: boolean, signal: AbortSignal): Promise<void> {
    if (patch === undefined) return;
    const { cluster, log, random } = this.#parts;
    const before = this.#node;
    if (!isUrgent) this.#textBudget.take(Date.now());
    try {
      await cluster.patchNodeStatus(patch, signal);
      this.#failures = 0;
      this.#notBefore = Date.now() + gapMs;
      // Until the watch shows it: a stream that broke just now must not make the same write come again and again. What the watch has shown
      // meanwhile may be later than the write.
      if (before !== undefined && this.#node === before) this.#node = applyNodePatch(before, patch);
      if (this.#said !== undefined) log.info({}, 'labels and condition of the node are written again');
      this.#said = undefined;
      log.debug({ ...patch }, 'labels and condition of the node written');
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      this.#failures += 1;
      this.#notBefore = Date.now() + clusterBackoffMs(failure, this.#failures, random());
      if (failure.message === this.#said) return;
      this.#said = failure.message;
      const { code, detail, message } = failure;
      log.warn({ code, detail, error: message }, 'labels and condition of the node are not written: trying again');
    }
  }
}
