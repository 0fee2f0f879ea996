/** What a command has from the outside; main.ts gives the process's own, tests give theirs. */

import type { Agent, AgentParts } from '../agent.ts';
import type { diagnose } from '../diagnose.ts';
import type { Settings } from '../settings.ts';

export type { Agent } from '../agent.ts';

export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface CommandContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signal: AbortSignal;
  /** Loads the agent and all that it needs, which `check` and `--help` do without. */
  readonly loadAgent: () => Promise<CreateAgent>;
  readonly loadDoctor: () => Promise<Diagnose>;
}

/** @throws Failure `other` where what the settings name is not there */
export type CreateAgent = (settings: Settings, parts: AgentParts, signal: AbortSignal) => Agent | Promise<Agent>;

export type Diagnose = typeof diagnose;
