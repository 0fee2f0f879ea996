import type { RoundOutcome } from '../core/pull-round.ts';

export const outcomeWords: Readonly<Record<RoundOutcome, string>> = {
  noop: 'nothing to do',
  success: 'done',
  partial: 'partly done',
  error: 'failed',
};
