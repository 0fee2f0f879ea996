import { Credential } from '../../agent/core/credentials.ts';
import { storedName } from '../../agent/core/image-reference.ts';
import { silentLogger } from '../../agent/core/logger.ts';
import type { NodeEvent } from '../../agent/core/node-event.ts';
import type { NodeHold } from '../../agent/core/node-holds.ts';
import type { ImageFilesystem } from '../../agent/core/node-images.ts';
import { parsePlatform } from '../../agent/core/platform.ts';
import type { WarmWait } from '../../agent/core/pull-planner.ts';
import { toPullPolicy } from '../../agent/core/pull-policy.ts';
import type { Registry } from '../../agent/registry/registry.ts';
import type { Configuration } from '../../agent/core/configuration.ts';
import type { Ledger } from '../../agent/core/ledger.ts';
import type { LedgerStore } from '../../agent/work/ledger-store.ts';
import { Pins } from '../../agent/work/pins.ts';
import { PruneJob } from '../../agent/work/prune-job.ts';
import type { PruneSubject } from '../../agent/work/prune-view.ts';
import { Pruner } from '../../agent/work/pruner.ts';
import { PullSlots, type PullSlotsParts } from '../../agent/work/pull-slots.ts';
import type { Looked } from '../../agent/work/reconciler-parts.ts';
import { runReconcileLoop } from '../../agent/work/reconcile-loop.ts';
import { Reconciler } from '../../agent/work/reconciler.ts';
import { RemovalLock } from '../../agent/work/removal-lock.ts';
import { recoverRemovals } from '../../agent/work/removal-recovery.ts';
import { type Connected, RuntimeConnection } from '../../agent/work/runtime-connection.ts';
import { Trigger } from '../../agent/work/trigger.ts';
import { UsageTracker } from '../../agent/work/usage-tracker.ts';
import { toManifestSummary } from './fake-image.ts';
import type { FakeRegistryContent } from './fake-registry-content.ts';
import { FakeRuntime, type FakeRuntimeOptions } from './fake-runtime.ts';
import { RecordingRecorder } from './recording-recorder.ts';

/** The registry port over the same content that the fake runtime pulls from. */
function registryOver(content: FakeRegistryContent, asked: string[]): Registry {
  const read: Registry['readManifest'] = async (reference, credentials, signal) => {
    signal.throwIfAborted();
    asked.push(storedName(reference));
    return toManifestSummary(content.resolve(storedName(reference), credentials[0]));
  };
  return {
    readManifest: read,
    resolveDigest: async (...parts) => (await read(...parts)).digest,
    close: async () => {},
  };
}

/** A ledger file in memory. */
export class FakeLedger implements LedgerStore {
  saved: Ledger | undefined;
  failure: Error | undefined;

  async load(): Promise<Ledger | undefined> {
    if (this.failure !== undefined) throw this.failure;
    return this.saved;
  }

  async save(ledger: Ledger): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.saved = ledger;
  }
}

export interface FakeNodeOptions extends FakeRuntimeOptions {
  /** The runtime of a node that was there before: the agent is new, the images are not. */
  readonly runtime?: FakeRuntime;
  readonly ledger?: FakeLedger;
  /** Where the nodes of a cluster share their pull slots; undefined: this one is alone. */
  readonly leases?: PullSlotsParts['cluster'];
  readonly nodeName?: string;
}

/** A node in memory: the real reconciler, pruner, loop and connection over the fake runtime and its registry. */
export class FakeNode {
  readonly runtime: FakeRuntime;
  readonly recorder = new RecordingRecorder();
  readonly trigger = new Trigger();
  readonly ledger: FakeLedger;
  readonly usage: UsageTracker;
  readonly pruner: Pruner;
  readonly pruneJob: PruneJob;
  readonly reconciler: Reconciler;
  readonly connection: RuntimeConnection;
  /** References that the registry client was asked for, in order. */
  readonly asked: string[] = [];
  /** In place of the fake runtime's own disk; `unknown`: nobody can see it. */
  filesystem: ImageFilesystem | 'unknown' | undefined;
  credentials: readonly Credential[] = [];
  socketDead = false;
  looks = 0;
  /** What the last look found. */
  looked: Looked | undefined;
  /** Looks whose findings were outdated before the next one. */
  outdated = 0;
  readonly events: NodeEvent[] = [];
  readonly slots: PullSlots | undefined;
  gatedGoAt: number | undefined;
  pruneHold: NodeHold | undefined;
  /** What pulls wait for the coordinator. */
  warmWaits: ReadonlyMap<string, WarmWait> = new Map();
  readonly lock = new RemovalLock(() => this.trigger.fireSparsely(200, 2_000));
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #connected: Connected | undefined;
  #configuration: Configuration | undefined;

  constructor(options: FakeNodeOptions = {}) {
    this.runtime = options.runtime ?? new FakeRuntime(options);
    this.ledger = options.ledger ?? new FakeLedger();
    this.usage = new UsageTracker({ recorder: this.recorder, log: silentLogger });
    const shared = {
      usage: this.usage,
      subject: () => this.#pruneSubject(),
      readFilesystem: async () => this.#readFilesystem(),
      log: silentLogger,
    };
    this.pruner = new Pruner({
      ...shared,
      lock: this.lock,
      credentialsFor: async () => this.credentials,
      recorder: this.recorder,
    });
    const onDone = (): void => this.trigger.fire();
    const announce = (event: NodeEvent): void => {
      this.events.push(event);
    };
    this.pruneJob = new PruneJob({ ...shared, pruner: this.pruner, nodeName: 'node-1', onDone, announce });
    this.slots =
      options.leases === undefined
        ? undefined
        : new PullSlots({
            cluster: options.leases,
            nodeName: options.nodeName ?? 'node-1',
            recorder: this.recorder,
            log: silentLogger,
            onChange: onDone,
          });
    const isMakingRoom = (): boolean => this.pruneJob.isMakingRoom;
    this.reconciler = new Reconciler({
      registry: registryOver(this.runtime.registry, this.asked),
      credentialsOf: async () => this.credentials,
      readFilesystem: shared.readFilesystem,
      platform: parsePlatform(options.platform ?? 'linux/amd64'),
      toPolicy: toPullPolicy,
      warmWaits: () => this.warmWaits,
      onRuntimeLost: (runtime, failure) => this.connection.lost(runtime, failure),
      usage: this.usage,
      pins: new Pins(this.recorder, silentLogger),
      prune: {
        lock: this.lock,
        reclaimableBytes: (signal) => this.pruner.reclaimableBytes(signal),
        makeRoom: (bytes) => this.pruneJob.makeRoom(bytes),
        get isMakingRoom() {
          return isMakingRoom();
        },
      },
      slots: this.slots,
      gatedGoAt: () => this.gatedGoAt,
      onLooked: (looked) => {
        this.looked = looked;
      },
      onOutdated: () => {
        this.outdated += 1;
      },
      announce,
      recorder: this.recorder,
      log: silentLogger,
      trigger: this.trigger,
    });
    this.connection = new RuntimeConnection({
      connect: async (signal) => {
        const connected = { runtime: this.runtime, info: await this.runtime.info(signal) };
        await recoverRemovals(this.runtime, this.usage, async () => this.credentials, silentLogger, signal);
        return connected;
      },
      isSocketDead: async () => this.socketDead,
      onUp: (connected) => {
        this.#connected = connected;
        this.usage.startWatching();
        this.reconciler.setRuntime(connected);
      },
      onDown: (failure) => {
        this.#connected = undefined;
        this.usage.stopWatching();
        this.reconciler.setRuntime(undefined, failure);
      },
      onEvent: (event) => {
        this.usage.hear(event);
        if (event.kind === 'image') this.trigger.fireSparsely(200, 2_000);
      },
      recorder: this.recorder,
      log: silentLogger,
    });
  }

  /** Gives reconciler and pruner the same configuration. */
  configure(configuration: Configuration): void {
    this.#configuration = configuration;
    this.reconciler.setConfiguration(configuration);
    this.pruneJob.settingsChanged();
  }

  /** Starts the connection, the loop and the prune job; `stop` ends them. */
  start(): Promise<void> {
    const { signal } = this.#stop;
    const connection = this.usage.load(this.ledger).then(() => this.connection.run(signal));
    const loop = runReconcileLoop(
      {
        reconciler: this.reconciler,
        trigger: this.trigger,
        lookIntervalMs: () => (this.runtime.kind === 'cri' ? 30_000 : 300_000),
        onBeat: () => {},
        onLook: () => {
          this.looks += 1;
        },
      },
      signal,
    );
    this.#running = Promise.allSettled([connection, loop, this.pruneJob.run(signal), this.slots?.run(signal)]);
    return connection;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.reconciler.stop();
    await this.#running;
    await this.usage.flush();
  }

  #readFilesystem(): ImageFilesystem | undefined {
    return this.filesystem === 'unknown' ? undefined : (this.filesystem ?? this.runtime.filesystem());
  }

  #pruneSubject(): PruneSubject | undefined {
    const [configuration, connected] = [this.#configuration, this.#connected];
    if (configuration === undefined || connected === undefined) return undefined;
    const { desiredNames: desired } = this.reconciler;
    const unresolved = this.reconciler.desired.unresolved.map(({ pattern }) => pattern);
    const pullingSince = (at: number): ReadonlySet<string> => this.reconciler.pullingSince(at);
    return {
      settings: configuration.prune,
      connected,
      desired,
      unresolved,
      pullingSince,
      ownImage: undefined,
      hold: this.pruneHold,
    };
  }
}

export function sampleCredential(host: string, password = 'secret'): Credential {
  return new Credential(host, 'robot', password);
}
