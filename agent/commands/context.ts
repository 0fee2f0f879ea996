/** What a command has from the outside; main.ts gives the process's own, tests give theirs. */

import type { Logger } from '../core/logger.ts';
import type { PlanInput } from '../core/plan-document.ts';
import type { PullRoundEvent, RoundOutcome } from '../core/pull-round.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { Settings } from '../settings.ts';

export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface CommandContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signal: AbortSignal;
  /** Loads the agent and all that it needs, which `check` and `--help` do without. */
  readonly loadAgent: () => Promise<CreateAgent>;
}

export type CreateAgent = (settings: Settings, parts: { readonly log: Logger; readonly metrics: Metrics }) => Agent;

export interface Agent {
  /** The daemon; resolves once the signal has fired and everything is put away. */
  run(signal: AbortSignal): Promise<void>;
  /** One look that changes nothing, not even in the state folder. */
  plan(signal: AbortSignal): Promise<PlanInput>;
  /** One round without a running agent; the caller holds the state folder. Events end with `done`. */
  pullRound(onEvent: (event: PullRoundEvent) => void, signal: AbortSignal): Promise<RoundOutcome>;
}
