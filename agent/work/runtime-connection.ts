import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { Runtime, RuntimeEvent, RuntimeInfo } from '../runtime/runtime.ts';
import type { Recorder } from './recorder.ts';
import { sleep } from '../core/sleep.ts';

export interface Connected {
  readonly runtime: Runtime;
  readonly info: RuntimeInfo;
}

export interface RuntimeConnectionParts {
  /** Finds the runtime and asks who it is. @throws Failure `runtime`/`unavailable` while nobody answers */
  readonly connect: (signal: AbortSignal) => Promise<Connected>;
  readonly isSocketDead: () => Promise<boolean>;
  readonly onUp: (connected: Connected) => void;
  readonly onDown: (failure: Failure) => void;
  readonly onEvent: (event: RuntimeEvent) => void;
  readonly recorder: Recorder;
  readonly log: Logger;
}

const firstRetryMs = 250;
const lastRetryMs = 5_000;

/** Keeps the node's runtime connected: waits for it, follows its events, notices when it goes, and waits again. */
export class RuntimeConnection {
  readonly #parts: RuntimeConnectionParts;
  #lost: ((failure: Failure) => void) | undefined;
  #runtime: Runtime | undefined;

  constructor(parts: RuntimeConnectionParts) {
    this.#parts = parts;
  }

  /** Somebody else saw the runtime gone. False: it is not the one that is connected here. */
  lost(runtime: Runtime, failure: Failure): boolean {
    if (runtime !== this.#runtime) return false;
    this.#lost?.(failure);
    return true;
  }

  /** @throws Failure with detail `dead_socket`; what is no Failure cannot be waited out (two runtimes, a bad endpoint) and is thrown on */
  async run(signal: AbortSignal): Promise<void> {
    let retryMs = firstRetryMs;
    let said = '';
    while (!signal.aborted) {
      try {
        const connected = await this.#parts.connect(signal);
        retryMs = firstRetryMs;
        said = '';
        await this.#serve(connected, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Failure)) throw error;
        this.#parts.recorder.runtimeUp(false);
        const { message } = Failure.from(error);
        if (message !== said)
          this.#parts.log.warn({ error: message }, 'the container runtime does not answer: waiting for it');
        said = message;
        // The runtime made a new socket that this container will never see: only a new container binds that one.
        if (await this.#parts.isSocketDead()) {
          throw new Failure('runtime', 'the mounted runtime socket has no links left', { detail: 'dead_socket' });
        }
        await sleep(retryMs, signal);
        retryMs = Math.min(lastRetryMs, retryMs * 2);
      }
    }
  }

  /** Until the runtime is lost or the signal fires. @throws the Failure that says so */
  async #serve(connected: Connected, signal: AbortSignal): Promise<void> {
    const { runtime, info } = connected;
    const ended = new AbortController();
    const lost = new Promise<never>((_, reject) => {
      this.#lost = reject;
    });
    this.#runtime = runtime;
    const both = AbortSignal.any([signal, ended.signal]);
    const following = info.capabilities.events ? this.#followEvents(runtime, both) : untilAborted(both);
    const { recorder, log, onUp, onDown } = this.#parts;
    recorder.runtimeInfo(info);
    recorder.runtimeUp(true);
    log.info(
      { runtime: info.name, version: info.version, snapshotter: info.snapshotter },
      'container runtime connected',
    );
    onUp(connected);
    try {
      await Promise.race([lost, following]);
    } catch (error) {
      if (!signal.aborted) onDown(Failure.from(error, 'runtime'));
      throw error;
    } finally {
      this.#runtime = undefined;
      ended.abort();
      following.catch(() => undefined);
      runtime.close();
    }
  }

  /** A stream that breaks while the runtime lives is opened again, and everything is looked at again. */
  async #followEvents(runtime: Runtime, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const event of runtime.watch(signal)) this.#parts.onEvent(event);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.log.debug({ error: Failure.from(error).message }, 'event stream broken');
      }
      if (signal.aborted) return;
      this.#parts.recorder.eventStreamRestarted();
      await sleep(firstRetryMs, signal);
      await runtime.info(signal);
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
