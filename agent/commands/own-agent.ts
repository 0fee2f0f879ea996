import { readBuildInfo } from '../ops/build-info.ts';
import { createLogger } from '../ops/log.ts';
import { createMetrics } from '../ops/metrics.ts';
import type { Settings } from '../settings.ts';
import type { Agent, CommandContext } from './context.ts';

/** An agent for one look or one round; what the command prints is its result, so the log goes to standard error. */
export async function createOwnAgent(settings: Settings, context: CommandContext): Promise<Agent> {
  const createAgent = await context.loadAgent();
  const log = createLogger(settings.logLevel, context.stderr);
  const metrics = createMetrics(readBuildInfo(context.environment));
  return await createAgent(settings, { log, metrics }, context.signal);
}
