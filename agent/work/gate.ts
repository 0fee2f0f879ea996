import type { Cluster } from '../cluster/cluster.ts';
import { defaultGateDeadlineMs, type GateSettings } from '../core/configuration.ts';
import { Failure } from '../core/failure.ts';
import { decideGate, type GateDecision, hasTaint } from '../core/gate.ts';
import type { ImageSetState } from '../core/image-set-state.ts';
import type { Logger } from '../core/logger.ts';
import type { Announce } from '../core/node-event.ts';
import type { NodeState } from '../core/node-state.ts';
import { sleep } from '../core/sleep.ts';
import type { GateStore } from './gate-store.ts';
import type { Recorder } from './recorder.ts';

export interface GateParts {
  /** The startup taint's key. */
  readonly taintKey: string;
  readonly cluster: Pick<Cluster, 'removeTaint'>;
  /** Undefined: there is no state folder, and the deadline begins anew with each start. */
  readonly store: GateStore | undefined;
  readonly recorder: Pick<Recorder, 'gateHeld' | 'gateReleased'>;
  readonly announce: Announce;
  /** Since when the node is held is known: gated images may have waited long enough. */
  readonly onHeld: () => void;
  readonly log: Logger;
  /** 0 to 1. */
  readonly random?: () => number;
}

/** A node that the gate holds. */
interface Held {
  readonly uid: string;
  /** How long it was held before this run of the agent saw it, and when that was on the monotonic clock, ms. */
  readonly earlierMs: number;
  readonly seenAt: number;
}

const firstRetryMs = 1_000;
const lastRetryMs = 60_000;
/** Only somebody who gives the right can help. */
const forbiddenRetryMs = 300_000;
const idleMs = 3_600_000;

/**
 * Removes the node's startup taint once its gated image sets are here, or when the deadline passes. Looks at the whole state whenever any of it
 * changes; never adds a taint.
 */
export class Gate {
  readonly #parts: GateParts;
  readonly #random: () => number;
  #node: NodeState | undefined;
  #sets: readonly ImageSetState[] | undefined;
  /** Also where no configuration has ever been accepted: such a node is let go all the same. */
  #deadlineMs = defaultGateDeadlineMs;
  #held: Held | undefined;
  /** Removed from this very state of the node; the watch has not said so yet. */
  #releasedFrom: NodeState | undefined;
  /** Nothing of an earlier hold is on disk. */
  #isClean = false;
  #goAt = 0;
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #said = '';
  #wake = new AbortController();

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
  }

  setNode(node: NodeState): void {
    this.#node = node;
    this.#wake.abort();
  }

  setSettings({ deadlineMs }: GateSettings): void {
    this.#deadlineMs = deadlineMs;
    this.#wake.abort();
  }

  /** What a look found; undefined: the last one holds no more, and the next one comes. */
  setSets(sets: readonly ImageSetState[] | undefined): void {
    this.#sets = sets;
    if (sets !== undefined) this.#wake.abort();
  }

  /** Half of the deadline: from then on gated images wait for nobody, epoch ms; undefined: the gate holds nothing. */
  get gatedGoAt(): number | undefined {
    const node = this.#node;
    if (node === undefined || node === this.#releasedFrom || !hasTaint(node.taints, this.#parts.taintKey))
      return undefined;
    const goAt = Date.now() + this.#deadlineMs / 2 - (this.#held === undefined ? 0 : heldMs(this.#held));
    // Two clocks never agree to the millisecond, and a plan that says another time at each look would be said each time.
    if (Math.abs(goAt - this.#goAt) > 1_000) this.#goAt = Math.floor(goAt);
    return this.#goAt;
  }

  /** Until the signal fires. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#step(signal);
      await sleep(waitMs, AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
  }

  /** Returns after how many ms to look again, if nothing changes. */
  async #step(signal: AbortSignal): Promise<number> {
    const node = this.#node;
    if (node === undefined || node === this.#releasedFrom) return idleMs;
    if (!hasTaint(node.taints, this.#parts.taintKey)) {
      await this.#end();
      return idleMs;
    }
    const held = this.#held?.uid === node.uid ? this.#held : await this.#begin(node.uid);
    this.#parts.recorder.gateHeld(true);
    const { taintKey } = this.#parts;
    // What changed while the file was read is looked at in the next step.
    const decision = decideGate({
      taints: node.taints,
      taintKey,
      sets: this.#sets,
      deadlineMs: this.#deadlineMs,
      heldSince: 0,
      now: heldMs(held),
    });
    if (decision.kind === 'hold') return decision.until - heldMs(held);
    if (decision.kind === 'absent') return idleMs;
    const retryInMs = this.#retryAt - performance.now();
    if (retryInMs > 0) return retryInMs;
    return await this.#release(node, held, decision, signal);
  }

  async #begin(uid: string): Promise<Held> {
    const { store, taintKey, log, onHeld } = this.#parts;
    const now = Date.now();
    const seenAt = performance.now();
    const record = await store?.load();
    // A moment that is still to come was noted by a clock that has been set back since.
    const isKnown = record?.uid === uid && record.taintKey === taintKey && record.heldSince <= now;
    if (!isKnown) await store?.save({ uid, taintKey, heldSince: now });
    const held: Held = { uid, earlierMs: isKnown ? now - record.heldSince : 0, seenAt };
    this.#held = held;
    this.#isClean = false;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    log.info(
      { taint: taintKey, heldSeconds: Math.round(heldMs(held) / 1000), deadlineMs: this.#deadlineMs },
      'the gate holds the node',
    );
    onHeld();
    return held;
  }

  /** The taint is gone, whoever removed it. */
  async #end(): Promise<void> {
    const { recorder, store } = this.#parts;
    this.#held = undefined;
    this.#failures = 0;
    this.#said = '';
    recorder.gateHeld(false);
    if (this.#isClean) return;
    this.#isClean = true;
    await store?.remove();
  }

  async #release(
    node: NodeState,
    held: Held,
    { reason, missing }: GateDecision & { kind: 'release' },
    signal: AbortSignal,
  ): Promise<number> {
    const { cluster, taintKey: taint, recorder, announce, log } = this.#parts;
    try {
      const outcome = await cluster.removeTaint(taint, signal);
      const heldSeconds = Math.round(heldMs(held) / 1000);
      this.#releasedFrom = node;
      await this.#end();
      if (outcome === 'absent') return idleMs;
      recorder.gateReleased(reason, heldSeconds);
      log.info({ taint, reason, heldSeconds, missing }, 'the gate let the node go');
      if (reason === 'deadline') announce({ kind: 'gate_deadline_passed', taint, missing });
      else announce({ kind: 'gate_released', taint, heldSeconds });
      return idleMs;
    } catch (error) {
      return signal.aborted ? idleMs : this.#fail(Failure.from(error));
    }
  }

  #fail({ code, detail, message }: Failure): number {
    this.#failures += 1;
    const isForbidden = detail === 'forbidden';
    const spanMs = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(this.#failures - 1, 10));
    const waitMs = isForbidden ? forbiddenRetryMs * (1 + this.#random()) : 250 + this.#random() * spanMs;
    this.#retryAt = performance.now() + waitMs;
    if (this.#said !== message) {
      const why = isForbidden
        ? ": the right to patch nodes is missing, which the gate's component of the manifests gives"
        : '';
      this.#parts.log.error(
        { taint: this.#parts.taintKey, code, detail, error: message, retryInMs: Math.round(waitMs) },
        `the gate's taint cannot be removed${why}`,
      );
    }
    this.#said = message;
    return waitMs;
  }
}

function heldMs({ earlierMs, seenAt }: Held): number {
  return earlierMs + performance.now() - seenAt;
}
