import { Failure } from '../core/failure.ts';

/**
 * Runs one call on the runtime with a limit on its time. `run` gets a signal that fires on the caller's abort and on the limit.
 * @throws `signal.reason` after an abort; Failure `runtime`, detail `unavailable`, after the limit; else what `run` throws.
 */
export async function runWithDeadline<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  // By hand: AbortSignal.any and AbortSignal.timeout leave their sources and timers to the garbage collector.
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => {
    controller.abort(
      new Failure('runtime', `${what}: no answer within ${timeoutMs / 1000} s`, { detail: 'unavailable' }),
    );
  }, timeoutMs);
  try {
    return await run(controller.signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
