/** What the two ends of the control socket share: HTTP on a Unix socket in the state folder. */

import { join } from 'node:path';
import { Failure, type FailureCode, type FailureDetail } from '../core/failure.ts';
import type { PlanDocument } from '../core/plan-document.ts';
import type { PruneOrder, PruneRoundEvent } from '../core/prune-round.ts';
import type { PullRoundEvent, RoundOutcome } from '../core/pull-round.ts';

/** What can be asked of a running agent. */
export interface ControlledAgent {
  plan(signal: AbortSignal): Promise<PlanDocument>;
  /**
   * Asks for a round now and follows it: every event up to and including `done`. The signal ends the following, never the
   * agent's pulls.
   */
  followRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
  /**
   * One prune run now: every event up to and including `done`. Nobody but who asked wants this run, so the signal (over the socket:
   * the end of the connection, however it comes) stops it before the next removal.
   */
  pruneRound(order: PruneOrder, onEvent: (event: PruneRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
}

export const planPath = '/v1/plan';
export const pullPath = '/v1/pull';
export const prunePath = '/v1/prune';

/** A following client hears at least an empty line this often, and gives up after several were missed. */
export const heartbeatMs = 10_000;
export const silenceLimitMs = 60_000;

/** The last line of a round that broke, and the body of every answer that is not 200. */
export interface ControlError {
  readonly kind: 'error';
  readonly code: FailureCode;
  readonly detail?: FailureDetail | undefined;
  readonly message: string;
}

/** What a stream of events may consist of. */
export type RoundEvent = PullRoundEvent | PruneRoundEvent;

/** `sun_path` of unix(7) has 108 bytes, the last of which is 0. */
const longestSocketPath = 107;

export function toControlSocketPath(stateDir: string): string {
  return join(stateDir, 'control.sock');
}

export function fitsSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= longestSocketPath;
}

export function toControlError(error: unknown): ControlError {
  const { code, detail, message } = Failure.from(error);
  return { kind: 'error', code, detail, message };
}

export function toFailure({ code, detail, message }: ControlError): Failure {
  return new Failure(code, message, { detail });
}
