import type { Configuration } from '../core/configuration.ts';
import type { Credential } from '../core/credentials.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import type { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { NodeState } from '../core/node-state.ts';
import type { PullPolicy } from '../core/pull-planner.ts';
import type { Registry } from '../registry/registry.ts';
import type { Runtime, RuntimeInfo } from '../runtime/runtime.ts';
import type { Pins } from './pins.ts';
import type { PruneHook } from './prune-hook.ts';
import type { Recorder } from './recorder.ts';
import type { Connected } from './runtime-connection.ts';
import type { Trigger } from './trigger.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface ReconcilerParts {
  readonly registry: Registry;
  readonly credentialsOf: (image: DesiredImage) => Promise<readonly Credential[]>;
  /** The image filesystem; undefined where it is not known. */
  readonly readFilesystem: (info: RuntimeInfo) => Promise<ImageFilesystem | undefined>;
  readonly toPolicy: (configuration: Configuration, node: NodeState) => PullPolicy;
  /** Who to tell when the runtime stops answering. */
  readonly onRuntimeLost: (runtime: Runtime, failure: Failure) => void;
  readonly usage: Pick<UsageTracker, 'observe' | 'pulled'>;
  readonly pins: Pick<Pins, 'keep'>;
  readonly prune: PruneHook;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly trigger: Trigger;
}

/** What a look needs; all of it known, or there is nothing to look at yet. */
export interface Inputs {
  readonly configuration: Configuration;
  readonly node: NodeState;
  readonly connected: Connected;
}
