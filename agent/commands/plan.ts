import { connectControl } from '../control/control-client.ts';
import type { ControlledAgent } from '../control/protocol.ts';
import { errorMessage } from '../core/failure.ts';
import { type PlanDocument, toPlanDocument } from '../core/plan-document.ts';
import type { Settings } from '../settings.ts';
import { type CommonOptions, findViewOptions } from './common-options.ts';
import type { CommandContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { createOwnAgent } from './own-agent.ts';
import { toPlanText } from './plan-text.ts';

/** `stevedore plan`: reads only; takes no lock and writes nothing, not even into the state folder. */
export async function plan(
  settings: Settings,
  options: CommonOptions,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { stdout } = context;
  const document =
    (findViewOptions(options).length === 0 ? await askAgent(settings, context) : undefined) ??
    (await lookOnce(settings, context));
  stdout.write(
    json ? `${JSON.stringify(document, null, 2)}\n` : toPlanText(document, stdout.isTTY ? stdout.columns : undefined),
  );
  return exitCodes.done;
}

/** The running agent knows what it pulls just now and what it waits for; undefined where none can be asked. */
async function askAgent({ stateDir }: Settings, { stderr, signal }: CommandContext): Promise<PlanDocument | undefined> {
  let agent: ControlledAgent | undefined;
  try {
    agent = await connectControl(stateDir, signal);
  } catch (error) {
    signal.throwIfAborted();
    stderr.write(`stevedore: ${errorMessage(error)}; looking without it\n`);
  }
  return await agent?.plan(signal);
}

async function lookOnce(settings: Settings, context: CommandContext): Promise<PlanDocument> {
  const agent = await createOwnAgent(settings, context);
  return toPlanDocument(await agent.plan(context.signal));
}
