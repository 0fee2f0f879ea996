import { Failure } from '../core/failure.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import { DetectionError } from '../runtime/endpoint.ts';

/** The closed list that scripts rely on. */
export const exitCodes = {
  done: 0,
  /** Failed, or mistakes were found. */
  failed: 1,
  usage: 2,
  partlyDone: 3,
  stateFolderInUse: 4,
  /** EX_TEMPFAIL of sysexits(3): whoever started the agent shall start it again, with a living socket mounted. */
  deadSocket: 75,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What a user gave breaks a rule; the message names the option or variable, the value and the rule. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function toExitCode(error: unknown): ExitCode {
  if (error instanceof UsageError || error instanceof DetectionError) return exitCodes.usage;
  if (!(error instanceof Failure)) return exitCodes.failed;
  if (error.detail === 'state_folder_in_use') return exitCodes.stateFolderInUse;
  if (error.detail === 'dead_socket') return exitCodes.deadSocket;
  return exitCodes.failed;
}

export function toRoundExitCode(outcome: RoundOutcome): ExitCode {
  switch (outcome) {
    case 'noop':
    case 'success':
      return exitCodes.done;
    case 'partial':
      return exitCodes.partlyDone;
    case 'error':
      return exitCodes.failed;
  }
}
