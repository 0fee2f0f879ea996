/** Runs the checks of a node one group after the other; whatever breaks in one of them is a finding, not the end. */

import type { DoctorCheck, Finding, Tell } from '../core/doctor-report.ts';
import { Failure } from '../core/failure.ts';

export interface CheckGroup {
  /** Under which a failure of the whole group is told. */
  readonly check: DoctorCheck;
  readonly subject?: string;
  run(tell: Tell, signal: AbortSignal): Promise<void>;
}

/** More than the slowest check needs, a token service that answers wrong secrets after 1.5 s included. */
const groupTimeoutMs = 60_000;

export async function runDoctor(groups: readonly CheckGroup[], tell: Tell, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  const note: Tell = (finding) => {
    findings.push(finding);
    tell(finding);
  };
  for (const { check, subject, run } of groups) {
    const about = subject === undefined ? {} : { subject };
    const deadline = AbortSignal.timeout(groupTimeoutMs);
    try {
      await run(note, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      const message = deadline.aborted ? `no answer within ${groupTimeoutMs / 1000} s` : Failure.from(error).message;
      note({ check, level: 'failure', ...about, message });
    }
  }
  return findings;
}
