import type { Cluster } from '../cluster/cluster.ts';
import { clusterBackoffMs } from '../core/cluster-backoff.ts';
import { EventBudget } from '../core/event-budget.ts';
import { Failure } from '../core/failure.ts';
import { type ImageSetPhases, planImageSetEvents } from '../core/image-set-events.ts';
import type { ImageSetState } from '../core/image-set-state.ts';
import type { Labels } from '../core/label-selector.ts';
import type { Logger } from '../core/logger.ts';
import type { Announce } from '../core/node-event.ts';
import { type ClusterEvent, toClusterEvent, toEventSubject } from '../core/node-event-text.ts';
import type { NodeState } from '../core/node-state.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';
import { Trigger } from './trigger.ts';

export interface AnnouncerParts {
  readonly cluster: Pick<Cluster, 'createEvent'>;
  readonly recorder: Pick<ClusterRecorder, 'nodeEventDropped'>;
  readonly log: Logger;
  /** 0 to 1, as Math.random gives it. */
  readonly random?: () => number;
}

interface Queued {
  readonly event: ClusterEvent;
  /** Epoch ms. */
  readonly announcedAt: number;
}

const longestQueue = 50;
/** Older ones would tell of what may be over by now. */
const tooOldMs = 600_000;

/** Tells people of the few changes that matter, as Events on the Node. What cannot be told is dropped, counted and logged. */
export class Announcer {
  readonly #parts: Required<AnnouncerParts>;
  readonly #trigger = new Trigger();
  readonly #budget = new EventBudget();
  #queue: readonly Queued[] = [];
  #phases: ImageSetPhases = new Map();
  #labels: Labels | undefined;
  #sets: readonly ImageSetState[] | undefined;
  #notBefore = 0;
  #failures = 0;
  #said: string | undefined;

  constructor(parts: AnnouncerParts) {
    this.#parts = { random: Math.random, ...parts };
  }

  readonly announce: Announce = (told) => {
    const event = toClusterEvent(told);
    const verdict = this.#budget.take(event.reason, toEventSubject(told), Date.now());
    // The last one says it still: what flaps is in labels, condition and metrics.
    if (verdict === 'repeated')
      this.#parts.log.debug({ reason: event.reason, note: event.note }, 'an Event was told of late');
    if (verdict === 'too_many') this.#drop(event, 'too many of them');
    if (verdict !== 'taken') return;
    this.#queue = [...this.#queue, { event, announcedAt: Date.now() }];
    if (this.#queue.length > longestQueue) this.#dropFirst('too many wait for the API server');
    this.#trigger.fire();
  };

  /**
   * After every look: all sets that select the node now; what changed since the last time is announced. Nothing is, before the Node's labels say what
   * was told before this process began.
   */
  update(sets: readonly ImageSetState[]): void {
    this.#sets = sets;
    this.#announceChanges();
  }

  /** As the cluster told it last; undefined: there is no such Node. */
  node(node: NodeState | undefined): void {
    if (node === undefined) return;
    const isFirst = this.#labels === undefined;
    this.#labels = node.labels;
    if (isFirst) this.#announceChanges();
  }

  /** Resolves when the signal fires; never rejects for what the API server does. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = Date.now();
      const [first] = this.#queue;
      if (first === undefined) await this.#trigger.wait(Number.POSITIVE_INFINITY, signal);
      else if (now - first.announcedAt > tooOldMs) this.#dropFirst('the API server did not take it in time');
      else if (this.#notBefore > now) await this.#trigger.wait(Math.min(this.#notBefore, now + tooOldMs), signal);
      else await this.#tell(first, signal);
    }
  }

  #announceChanges(): void {
    if (this.#sets === undefined || this.#labels === undefined) return;
    const { phases, events } = planImageSetEvents(this.#phases, this.#sets, this.#labels, Date.now());
    this.#phases = phases;
    for (const event of events) this.announce(event);
  }

  async #tell(first: Queued, signal: AbortSignal): Promise<void> {
    const { cluster, log, random } = this.#parts;
    try {
      await cluster.createEvent(first.event, signal);
      this.#failures = 0;
      this.#said = undefined;
      this.#queue = this.#queue.filter((queued) => queued !== first);
    } catch (error) {
      if (signal.aborted) return;
      const failure = Failure.from(error);
      // The same again would be refused again.
      if (failure.detail === 'invalid') {
        this.#queue = this.#queue.filter((queued) => queued !== first);
        this.#drop(first.event, failure.message);
        return;
      }
      this.#failures += 1;
      this.#notBefore = Date.now() + clusterBackoffMs(failure, this.#failures, random());
      if (failure.message === this.#said) return;
      this.#said = failure.message;
      const { code, detail, message } = failure;
      log.warn({ code, detail, error: message }, 'an Event on the node is not written: trying again');
    }
  }

  #dropFirst(why: string): void {
    const [first, ...rest] = this.#queue;
    this.#queue = rest;
    if (first !== undefined) this.#drop(first.event, why);
  }

  #drop({ reason, note }: ClusterEvent, why: string): void {
    this.#parts.recorder.nodeEventDropped();
    this.#parts.log.warn({ reason, note, why }, 'an Event on the node is left out');
  }
}
