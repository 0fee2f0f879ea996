/**
 * Simulated nodes. Those with an agent run its real code (what is published, planning, pulling, naming), put together as agent/agent.ts does
 * it, on a fake runtime whose pulls send what containerd would send. Those without pull by tag at once, as clusters do by themselves.
 */

import { parseConfiguration } from '../../../agent/config/load.ts';
import type { ResolvedConfigMap } from '../../../agent/cluster/cluster.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { parseReference } from '../../../agent/core/image-reference.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { standaloneNode } from '../../../agent/core/node-state.ts';
import { toPullPolicy } from '../../../agent/core/pull-policy.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { resolvedKey } from '../../../agent/core/resolved-document.ts';
import { sleep } from '../../../agent/core/sleep.ts';
import { createOciRegistry } from '../../../agent/registry/oci-registry.ts';
import type { Registry } from '../../../agent/registry/registry.ts';
import type { PullRequest, PullResult } from '../../../agent/runtime/runtime.ts';
import { NodeResolutions } from '../../../agent/work/node-resolutions.ts';
import { Pins } from '../../../agent/work/pins.ts';
import { runReconcileLoop } from '../../../agent/work/reconcile-loop.ts';
import { Reconciler } from '../../../agent/work/reconciler.ts';
import { RemovalLock } from '../../../agent/work/removal-lock.ts';
import { Trigger } from '../../../agent/work/trigger.ts';
import { UsageTracker } from '../../../agent/work/usage-tracker.ts';
import type { FakeImageSpec } from '../../fakes/fake-image.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';
import { nodePlatform } from './cold-image.ts';
import { ContainerdClient } from './containerd-client.ts';
import { totalOf } from './upstream-figures.ts';

export interface NodeOptions {
  /** Of Harbor, or of the gateway before it. */
  readonly url: string;
  readonly login: { readonly username: string; readonly password: string };
  /** The image with its tag. */
  readonly reference: string;
  readonly spec: FakeImageSpec;
  /** Undefined: a node without an agent. */
  readonly configuration: string | undefined;
  /** `cri`: a runtime that cannot give a digest the name of a tag, so that its node pulls the tag. */
  readonly runtime: 'containerd' | 'cri';
}

export interface NodeFigures {
  /** Of the runtime, by kind. */
  readonly requests: Readonly<Record<string, number>>;
  /** Of the agent's own client. */
  readonly agentRequests: number;
  /** Of both, until the release. */
  readonly requestsBefore: number;
  readonly bytes: number;
  /** Attempts that failed. */
  readonly failures: readonly string[];
  /** What the runtime was told to pull last. */
  readonly pulled: string;
  /** Epoch ms. */
  readonly doneAt: number;
}

export interface BenchNode {
  /** The image is wanted from now on. */
  want(): void;
  publish(texts: readonly string[]): void;
  /** What is asked from now on is asked after the release. */
  noteRelease(): void;
  /** Resolves when the image is there. */
  done(signal: AbortSignal): Promise<NodeFigures>;
}

/** A kubelet's first pause after a pull that failed. */
const retryMs = 10_000;
const lookIntervalMs = 300_000;
/** What a pull says of itself so often that no stall is seen in it: the bench has a limit of its own. */
const progressEveryMs = 30_000;
const never = new AbortController().signal;

export function createNode(options: NodeOptions): BenchNode {
  const client = new ContainerdClient({ ...options, platform: nodePlatform });
  const failures: string[] = [];
  let agentRequests = 0;
  let requestsBefore = 0;
  let pulled = '';
  const there = Promise.withResolvers<number>();

  const pull: Pull = async (reference, signal) => {
    const { repository, tag, digest } = parseReference(reference);
    pulled = reference;
    try {
      await client.pull(repository, digest ?? tag ?? 'latest', signal);
    } catch (error) {
      failures.push(Failure.from(error).message);
      throw error;
    }
  };
  const runs =
    options.configuration === undefined
      ? pullAlone(options.reference, pull, there.resolve)
      : createAgent(options, options.configuration, pull, {
          onRequest: () => (agentRequests += 1),
          onThere: () => there.resolve(Date.now()),
        });
  return {
    ...runs,
    noteRelease: () => {
      requestsBefore = totalOf(client.requests) + agentRequests;
    },
    async done(signal) {
      const ended = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error(failures.at(-1) ?? 'a node waits for ever')));
      });
      const doneAt = await Promise.race([there.promise, ended]);
      client.close();
      const { requests, bytes } = client;
      return { requests, agentRequests, requestsBefore, bytes, failures, pulled, doneAt };
    },
  };
}

type Pull = (reference: string, signal: AbortSignal) => Promise<void>;

function pullAlone(reference: string, pull: Pull, onThere: (at: number) => void): Pick<BenchNode, 'want' | 'publish'> {
  const run = async (): Promise<void> => {
    for (;;) {
      try {
        await pull(reference, never);
        return onThere(Date.now());
      } catch {
        await sleep(retryMs, never);
      }
    }
  };
  return { want: () => void run(), publish: () => undefined };
}

/** The fake runtime, whose pulls cross the network. */
class PullingRuntime extends FakeRuntime {
  readonly #pull: Pull;

  constructor({ runtime, reference, spec }: NodeOptions, pull: Pull) {
    super({ like: runtime, platform: spec.platform ?? '' });
    this.#pull = pull;
    this.registry.add(reference, spec);
  }

  override async pull(request: PullRequest, signal: AbortSignal): Promise<PullResult> {
    const report = (): void => request.onProgress({ downloadedBytes: 0, totalBytes: undefined });
    const reporting = setInterval(report, progressEveryMs);
    try {
      await this.#pull(request.reference, signal);
    } finally {
      clearInterval(reporting);
    }
    return await super.pull(request, signal);
  }
}

function createAgent(
  options: NodeOptions,
  configurationText: string,
  pull: Pull,
  on: { readonly onRequest: () => void; readonly onThere: () => void },
): Pick<BenchNode, 'want' | 'publish'> {
  const parsed = parseConfiguration(configurationText, 'bench');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  const { configuration } = parsed;
  const { username, password } = options.login;
  const login = new Credential(new URL(options.url).host, username, password);
  const trigger = new Trigger();
  const log = silentLogger;
  const recorder = new RecordingRecorder();
  const usage = new UsageTracker({ recorder, log });
  const runtime = new PullingRuntime(options, pull);
  const registry: Registry = createOciRegistry({
    registries: () => configuration.registries,
    platform: nodePlatform,
    userAgent: 'stevedore-node/bench',
    onRequest: on.onRequest,
  });
  let resolvedAt: number | undefined;
  const resolutions = new NodeResolutions({
    leadership: () => ({ state: 'led', resolvedAt }),
    resolve: () => Promise.reject(new Error('somebody leads')),
    onChange: (resolved) => reconciler.setResolutions(resolved),
    onLeadership: () => trigger.fire(),
    recorder: new RecordingHarborRecorder(),
    log,
  });
  const reconciler: Reconciler = new Reconciler({
    registry,
    credentialsOf: async () => [login],
    readFilesystem: async () => runtime.filesystem(),
    platform: nodePlatform,
    toPolicy: toPullPolicy,
    onRuntimeLost: () => undefined,
    usage,
    pins: new Pins(recorder, log),
    prune: {
      lock: new RemovalLock(() => trigger.fire()),
      reclaimableBytes: async () => 0,
      makeRoom: () => undefined,
      isMakingRoom: false,
    },
    warmWaits: (images) => resolutions.warmWaits(images),
    onLooked: ({ plan }) => {
      if (plan.present.some(({ reference }) => reference === options.reference)) on.onThere();
    },
    recorder,
    log,
    trigger,
  });
  const node = standaloneNode('node', {});
  const loop = {
    reconciler,
    trigger,
    lookIntervalMs: () => lookIntervalMs,
    onBeat: () => undefined,
    onLook: () => undefined,
  };
  return {
    want: () => {
      void usage.load(undefined).then(async () => {
        reconciler.setRuntime({ runtime, info: await runtime.info(never) });
        resolutions.setConfiguration(configuration);
        resolutions.setLabels(node.labels);
        reconciler.setConfiguration(configuration);
        reconciler.setNode(node);
        await Promise.all([resolutions.run(never), runReconcileLoop(loop, never)]);
      });
    },
    publish: (texts) => {
      resolvedAt = Date.now();
      const published = resolvedConfigMaps.map(
        (name, shard): ResolvedConfigMap => ({
          name,
          resourceVersion: String(resolvedAt),
          data: { [resolvedKey]: texts[shard] ?? '' },
        }),
      );
      resolutions.setPublished(published);
    },
  };
}
