import type { Settings } from '../settings.ts';
import type { CommonOptions } from './common-options.ts';
import type { CommandContext } from './context.ts';
import { toRoundExitCode } from './exit-codes.ts';
import { withHolder } from './holder.ts';
import { createPullReporter } from './pull-reporter.ts';

/** `stevedore pull`: one round, by the agent that holds the state folder, or without one by ourselves. */
export async function pull(
  settings: Settings,
  options: CommonOptions,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { signal, stdout } = context;
  return withHolder(settings, options, 'pulls', context, async ({ kind, agent }) => {
    const { report, close } = createPullReporter(json ? 'json' : 'text', stdout);
    try {
      const round = kind === 'agent' ? agent.followRound(report, signal) : agent.pullRound(report, signal);
      return toRoundExitCode(await round);
    } finally {
      close();
    }
  });
}
