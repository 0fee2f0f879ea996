import { readBuildInfo } from '../ops/build-info.ts';
import { createLogger } from '../ops/log.ts';
import { createMetrics } from '../ops/metrics.ts';
import type { Settings } from '../settings.ts';
import type { CommandContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';

/** `stevedore run`: the agent; its log goes to standard output. */
export async function run(settings: Settings, context: CommandContext): Promise<number> {
  const build = readBuildInfo(context.environment);
  const log = createLogger(settings.logLevel, context.stdout);
  const createAgent = await context.loadAgent();
  log.info({ version: build.version, revision: build.revision, node: settings.nodeName }, 'starting');
  const { signal } = context;
  await Promise.resolve(createAgent(settings, { log, metrics: createMetrics(build) }, signal))
    .then((agent) => agent.run(signal))
    .catch((error: unknown) => {
      // Stopped before it had started: nothing was begun, so nothing is left undone.
      if (!signal.aborted || error !== signal.reason) throw error;
    });
  log.info({}, 'stopped');
  return exitCodes.done;
}
