/** Runs the checks of a node one group after the other; whatever breaks in one of them is a finding, not the end. */

import type { DoctorCheck, Finding, Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';

export interface CheckGroup {
  /** Under which a failure of the whole group is told. */
  readonly check: DoctorCheck;
  readonly subject?: string;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  run(tell: Tell, signal: AbortSignal): Promise<void>;
}

/** More than the slowest check needs, a token service that answers wrong secrets after 1.5 s included. */
const defaultTimeoutMs = 60_000;

/** Rejects only with an abort. */
export async function runGroup(group: CheckGroup, tell: Tell, signal: AbortSignal): Promise<void> {
  const { check, subject, timeoutMs = defaultTimeoutMs } = group;
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    await group.run(tell, AbortSignal.any([signal, deadline]));
  } catch (error) {
    signal.throwIfAborted();
    const message = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : Failure.from(error).message;
    tell({ check, level: 'failure', ...(subject === undefined ? {} : { subject }), message });
  }
}

/** One part of a group: what breaks in it is a finding, and the rest of the group goes on. Rejects only with an abort. */
export async function attempt(
  about: Pick<Finding, 'check' | 'subject'>,
  tell: Tell,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    signal.throwIfAborted();
    tell({ ...about, level: 'failure', message: Failure.from(error).message });
  }
}
