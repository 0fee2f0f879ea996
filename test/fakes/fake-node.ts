import { Credential } from '../../agent/core/credentials.ts';
import { storedName } from '../../agent/core/image-reference.ts';
import { silentLogger } from '../../agent/core/logger.ts';
import type { ImageFilesystem } from '../../agent/core/node-images.ts';
import { toPullPolicy } from '../../agent/core/pull-policy.ts';
import type { Registry } from '../../agent/registry/registry.ts';
import { runReconcileLoop } from '../../agent/work/reconcile-loop.ts';
import { Reconciler } from '../../agent/work/reconciler.ts';
import { RuntimeConnection } from '../../agent/work/runtime-connection.ts';
import { Trigger } from '../../agent/work/trigger.ts';
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

/** A node in memory: the real reconciler, loop and connection over the fake runtime and its registry. */
export class FakeNode {
  readonly runtime: FakeRuntime;
  readonly recorder = new RecordingRecorder();
  readonly trigger = new Trigger();
  readonly reconciler: Reconciler;
  readonly connection: RuntimeConnection;
  /** References that the registry client was asked for, in order. */
  readonly asked: string[] = [];
  filesystem: ImageFilesystem | undefined;
  credentials: readonly Credential[] = [];
  socketDead = false;
  looks = 0;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: FakeRuntimeOptions = {}) {
    this.runtime = new FakeRuntime(options);
    this.reconciler = new Reconciler({
      registry: registryOver(this.runtime.registry, this.asked),
      credentialsOf: async () => this.credentials,
      readFilesystem: async () => this.filesystem,
      toPolicy: toPullPolicy,
      onRuntimeLost: (runtime, failure) => this.connection.lost(runtime, failure),
      recorder: this.recorder,
      log: silentLogger,
      trigger: this.trigger,
    });
    this.connection = new RuntimeConnection({
      connect: async (signal) => ({ runtime: this.runtime, info: await this.runtime.info(signal) }),
      isSocketDead: async () => this.socketDead,
      onUp: (connected) => this.reconciler.setRuntime(connected),
      onDown: (failure) => this.reconciler.setRuntime(undefined, failure),
      onEvent: () => this.trigger.fireSparsely(200, 2_000),
      recorder: this.recorder,
      log: silentLogger,
    });
  }

  /** Starts the connection and the loop; `stop` ends them. */
  start(): Promise<void> {
    const { signal } = this.#stop;
    const connection = this.connection.run(signal);
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
    this.#running = Promise.allSettled([connection, loop]);
    return connection;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.reconciler.stop();
    await this.#running;
  }
}

export function sampleCredential(host: string, password = 'secret'): Credential {
  return new Credential(host, 'robot', password);
}
