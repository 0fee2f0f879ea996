import { Failure } from '../core/failure.ts';
import { sleep } from '../core/sleep.ts';
import type { Settings } from '../settings.ts';
import { openStateFolder, type StateFolder } from '../work/state-folder.ts';
import { isStateFolder } from '../work/uninstall-state.ts';
import type { CommandContext } from './context.ts';
import { exitCodes, toRoundExitCode } from './exit-codes.ts';
import { createOwnAgent } from './own-agent.ts';
import { toUninstallText } from './uninstall-text.ts';

const stayLookMs = 3_600_000;

export interface UninstallOptions {
  /** Wait for SIGTERM afterwards, unless something failed. */
  readonly stay: boolean;
  readonly json: boolean;
}

/**
 * `stevedore uninstall`: takes back what the agent left on this node.
 * @throws Failure `other`, detail `state_folder_in_use`, while an agent runs
 */
export async function uninstall(
  settings: Settings,
  options: UninstallOptions,
  context: CommandContext,
): Promise<number> {
  const { signal, stdout } = context;
  const folder = await holdState(settings.stateDir);
  let exitCode: number;
  try {
    const agent = await createOwnAgent(settings, context);
    const outcome = await agent.uninstall((event) => {
      const text = options.json ? JSON.stringify(event) : toUninstallText(event);
      if (text !== undefined) stdout.write(`${text}\n`);
    }, signal);
    exitCode = toRoundExitCode(outcome);
  } finally {
    folder?.close();
  }
  if (!options.stay || exitCode !== exitCodes.done) return exitCode;
  if (!options.json) stdout.write('waiting to be stopped\n');
  // A timer, since neither the signal nor its handlers keep the process alive.
  while (!signal.aborted) await sleep(stayLookMs, signal);
  return exitCodes.done;
}

/** Undefined: no agent ever had its state there, or the folder cannot be used, which the step that clears it will say. */
async function holdState(path: string): Promise<StateFolder | undefined> {
  if (!(await isStateFolder(path))) return undefined;
  try {
    return await openStateFolder(path);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.detail !== 'state_folder_in_use') return undefined;
    throw new Failure(error.code, `${error.message}: stop it first, or it would put back what is taken back`, {
      detail: error.detail,
      cause: error,
    });
  }
}
