import { connectControl } from '../control/control-client.ts';
import type { ControlledAgent } from '../control/protocol.ts';
import { Failure } from '../core/failure.ts';
import type { Settings } from '../settings.ts';
import { openStateFolder, type StateFolder } from '../work/state-folder.ts';
import { type CommonOptions, findViewOptions } from './common-options.ts';
import type { Agent, CommandContext } from './context.ts';
import { createOwnAgent } from './own-agent.ts';

/** Who does a round: the agent that runs on the state folder, or one of our own, which holds it meanwhile. */
export type Holder =
  | { readonly kind: 'agent'; readonly agent: ControlledAgent }
  | { readonly kind: 'us'; readonly agent: Agent };

/**
 * Has the round done by whoever holds the state folder. `doing` says what it is: `prunes`.
 * @throws Failure `other`, detail `state_folder_in_use`, when somebody holds it who cannot be asked
 */
export async function withHolder<T>(
  settings: Settings,
  options: CommonOptions,
  doing: string,
  context: CommandContext,
  use: (holder: Holder) => Promise<T>,
): Promise<T> {
  const found = await findHolder(settings, context.signal);
  if (found.kind === 'agent') {
    warnOfUnusedOptions(settings, options, doing, context);
    return use(found);
  }
  try {
    return await use({ kind: 'us', agent: await createOwnAgent(settings, context) });
  } finally {
    found.folder.close();
  }
}

type Found =
  | { readonly kind: 'agent'; readonly agent: ControlledAgent }
  | { readonly kind: 'us'; readonly folder: StateFolder };

async function findHolder({ stateDir }: Settings, signal: AbortSignal): Promise<Found> {
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

function warnOfUnusedOptions(
  { stateDir }: Settings,
  options: CommonOptions,
  doing: string,
  { stderr }: CommandContext,
): void {
  const unused = findViewOptions(options);
  if (unused.length === 0) return;
  stderr.write(
    `stevedore: the agent on ${stateDir} ${doing} with its own settings; not used here: ${unused.join(', ')}\n`,
  );
}
