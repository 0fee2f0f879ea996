/** Prune runs by the control socket of an agent, as `stevedore prune` asks for them, without a process for each. */

import { connectControl } from '../../agent/control/control-client.ts';
import type { PruneOrder, PruneRoundEvent } from '../../agent/core/prune-round.ts';
import type { RoundOutcome } from '../../agent/core/pull-round.ts';

/** More than any disk has: everything that may go goes. */
export const removeAll: PruneOrder = { dryRun: false, tier: 'critical', untilFreeBytes: 1e15 };

/** Undefined where nobody answers; rejects where the agent went away meanwhile. */
export async function pruneAll(
  stateDir: string,
  onEvent: (event: PruneRoundEvent) => void,
  signal: AbortSignal,
): Promise<RoundOutcome | undefined> {
  const agent = await connectControl(stateDir, signal);
  return agent?.pruneRound(removeAll, onEvent, signal);
}
