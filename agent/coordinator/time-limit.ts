import { untilAborted } from '../core/abort.ts';
import { Failure } from '../core/failure.ts';

/**
 * What `work` gives, unless `ms` pass (Failure `timeout`) or the signal fires first; its own signal fires then too, and whether it heeds that does not
 * matter. `goesOn` gives work that shows progress as long again. On the global timers, which tests can fake.
 */
export async function within<Result>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal, goesOn: () => void) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Failure('timeout', `no answer within ${Math.round(ms / 1000)} s`)),
    ms,
  );
  const both = AbortSignal.any([signal, limit.signal]);
  try {
    return await untilAborted(
      work(both, () => void timer.refresh()),
      both,
    );
  } finally {
    clearTimeout(timer);
  }
}
