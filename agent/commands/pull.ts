import { connectControl } from '../control/control-client.ts';
import type { ControlledAgent } from '../control/protocol.ts';
import { Failure } from '../core/failure.ts';
import { readBuildInfo } from '../ops/build-info.ts';
import { createLogger } from '../ops/log.ts';
import { createMetrics } from '../ops/metrics.ts';
import type { Settings } from '../settings.ts';
import { openStateFolder, type StateFolder } from '../work/state-folder.ts';
import { type CommonOptions, findViewOptions } from './common-options.ts';
import type { CommandContext } from './context.ts';
import { toRoundExitCode } from './exit-codes.ts';
import { createPullReporter } from './pull-reporter.ts';

/** `stevedore pull`: one round, by the agent that holds the state folder, or without one by ourselves. */
export async function pull(
  settings: Settings,
  options: CommonOptions,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { signal, stdout } = context;
  const holder = await findHolder(settings, signal);
  if (holder.kind === 'agent') warnOfUnusedOptions(settings, options, context);
  const reporter = createPullReporter(json ? 'json' : 'text', stdout);
  try {
    if (holder.kind === 'agent') return toRoundExitCode(await holder.agent.followRound(reporter.report, signal));
    const createAgent = await context.loadAgent();
    const log = createLogger(settings.logLevel, context.stderr);
    const agent = createAgent(settings, { log, metrics: createMetrics(readBuildInfo(context.environment)) });
    return toRoundExitCode(await agent.pullRound(reporter.report, signal));
  } finally {
    reporter.close();
    if (holder.kind === 'us') holder.folder.close();
  }
}

type Holder =
  | { readonly kind: 'agent'; readonly agent: ControlledAgent }
  | { readonly kind: 'us'; readonly folder: StateFolder };

async function findHolder({ stateDir }: Settings, signal: AbortSignal): Promise<Holder> {
  const agent = await connectControl(stateDir, signal);
  if (agent !== undefined) return { kind: 'agent', agent };
  try {
    return { kind: 'us', folder: await openStateFolder(stateDir) };
  } catch (error) {
    if (!(error instanceof Failure) || error.detail !== 'state_folder_in_use') throw error;
    // It may have started to listen between our two looks.
    const started = await connectControl(stateDir, signal);
    if (started === undefined) throw error;
    return { kind: 'agent', agent: started };
  }
}

function warnOfUnusedOptions({ stateDir }: Settings, options: CommonOptions, { stderr }: CommandContext): void {
  const unused = findViewOptions(options);
  if (unused.length === 0) return;
  stderr.write(
    `stevedore: the agent on ${stateDir} pulls with its own settings; not used here: ${unused.join(', ')}\n`,
  );
}
