import { type Failure, isRuntimeUnavailable } from '../core/failure.ts';
import type { Runtime } from '../runtime/runtime.ts';

/**
 * Whether a call failed because nobody is there any more. A call that took too long may only tell of a busy disk: then the
 * quick question who it is decides, so that a runtime that is merely slow keeps its connection and its pulls.
 */
export async function isRuntimeGone(failure: Failure, runtime: Runtime, signal: AbortSignal): Promise<boolean> {
  if (isRuntimeUnavailable(failure)) return true;
  if (failure.code !== 'timeout') return false;
  try {
    await runtime.info(signal);
    return false;
  } catch {
    return !signal.aborted;
  }
}
