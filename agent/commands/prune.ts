import type { ControlledAgent } from '../control/protocol.ts';
import type { PruneOrder } from '../core/prune-round.ts';
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
    try {
      const { pruneRound } = agent as Pick<ControlledAgent, 'pruneRound'>;
      return toRoundExitCode(await pruneRound(order, report, signal));
    } finally {
      close();
      if (kind === 'agent' && signal.aborted) {
        stderr.write('stevedore: the agent ends the removal that it is at, and stops\n');
      }
    }
  });
}
