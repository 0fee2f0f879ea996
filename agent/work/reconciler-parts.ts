import type { Configuration } from '../core/configuration.ts';
import type { Credential } from '../core/credentials.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import type { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { NodeState } from '../core/node-state.ts';
import type { Platform } from '../core/platform.ts';
import type { PullPolicy, WarmWait } from '../core/pull-planner.ts';
import type { Registry } from '../registry/registry.ts';
import type { ImageSetState } from '../core/image-set-state.ts';
import type { Announce } from '../core/node-event.ts';
import type { PullPlan } from '../core/pull-plan.ts';
import type { Runtime, RuntimeInfo } from '../runtime/runtime.ts';
import type { Pins } from './pins.ts';
import type { PruneHook } from './prune-hook.ts';
import type { Recorder } from './recorder.ts';
import type { Connected } from './runtime-connection.ts';
import type { SlotHook } from './slot-hook.ts';
import type { Trigger } from './trigger.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface ReconcilerParts {
  readonly registry: Registry;
  readonly credentialsOf: (image: DesiredImage) => Promise<readonly Credential[]>;
  /** The image filesystem; undefined where it is not known. */
  readonly readFilesystem: (info: RuntimeInfo) => Promise<ImageFilesystem | undefined>;
  /** The node's own. */
  readonly platform: Platform;
  readonly toPolicy: (configuration: Configuration, node: NodeState) => PullPolicy;
  /** Who to tell when the runtime stops answering. */
  readonly onRuntimeLost: (runtime: Runtime, failure: Failure) => void;
  readonly usage: Pick<UsageTracker, 'observe' | 'pulled'>;
  readonly pins: Pick<Pins, 'keep'>;
  readonly prune: PruneHook;
  /** Undefined: no cluster whose nodes share slots. */
  readonly slots?: SlotHook | undefined;
  /** From then on gated images wait for neither slot nor spread, epoch ms; undefined: the gate holds nothing. */
  readonly gatedGoAt?: (() => number | undefined) | undefined;
  /** Images that wait for whoever resolves and warms for all nodes; undefined: nobody does. */
  readonly warmWaits?: ((images: readonly DesiredImage[]) => ReadonlyMap<string, WarmWait>) | undefined;
  /** After each look that came to its end. */
  readonly onLooked?: ((looked: Looked) => void) | undefined;
  /** What the last look found does not hold any more: another configuration, node or runtime. The next look comes at once. */
  readonly onOutdated?: (() => void) | undefined;
  readonly announce?: Announce | undefined;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly trigger: Trigger;
}

export interface Looked {
  /** The selected sets, for the configuration and the node of now. */
  readonly sets: readonly ImageSetState[];
  readonly plan: PullPlan;
}

/** What a look needs; all of it known, or there is nothing to look at yet. */
export interface Inputs {
  readonly configuration: Configuration;
  readonly node: NodeState;
  readonly connected: Connected;
}
