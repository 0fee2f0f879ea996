import { errorMessage } from '../core/failure.ts';
import type { PruneOrder, PruneRoundEvent } from '../core/prune-round.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { Settings } from '../settings.ts';
import type { CommonOptions } from './common-options.ts';
import type { CommandContext } from './context.ts';
import { toRoundExitCode } from './exit-codes.ts';
import { withHolder } from './holder.ts';
import { createPruneReporter } from './prune-reporter.ts';

/** `stevedore prune`: one run now, by the agent that holds the state folder, or without one by ourselves. */
export async function prune(
  settings: Settings,
  options: CommonOptions,
  order: PruneOrder,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { signal, stdout, stderr } = context;
  return withHolder(settings, options, 'prunes', context, async ({ kind, agent }) => {
    const { report, close } = createPruneReporter(json ? 'json' : 'text', order.dryRun, stdout);
    let outcome: RoundOutcome | undefined;
    const onEvent = (event: PruneRoundEvent): void => {
      if (event.kind === 'done') outcome = event.outcome;
      report(event);
    };
    try {
      return toRoundExitCode(await agent.pruneRound(order, onEvent, signal));
    } catch (error) {
      // A run that broke has told before what it has done.
      if (signal.aborted || outcome !== 'partial') throw error;
      stderr.write(`stevedore: ${errorMessage(error)}\n`);
      return toRoundExitCode(outcome);
    } finally {
      close();
      if (kind === 'agent' && signal.aborted) {
        stderr.write('stevedore: the agent ends the removal that it is at, and stops\n');
      }
    }
  });
}
