import type { Reconciler } from './reconciler.ts';
import type { Trigger } from './trigger.ts';

export interface ReconcileLoopParts {
  readonly reconciler: Reconciler;
  readonly trigger: Trigger;
  /** The longest time between two looks, ms: long where events tell of changes, short where nothing does. */
  readonly lookIntervalMs: () => number;
  /** The loop advanced. */
  readonly onBeat: () => void;
  readonly onLook: () => void;
}

/** How often the loop shows that it lives. */
const beatMs = 30_000;
/** How often credential files are looked at while an image waits for better ones. */
const credentialsBeatMs = 5_000;

/** Looks when something fires the trigger, when a wait ends, and at least every `lookIntervalMs`, until the signal fires. */
export async function runReconcileLoop(parts: ReconcileLoopParts, signal: AbortSignal): Promise<void> {
  const { reconciler, trigger } = parts;
  /** Monotonic ms. */
  let lookAt = Number.POSITIVE_INFINITY;
  while (!signal.aborted) {
    const nextBeatMs = reconciler.waitsForCredentials ? credentialsBeatMs : beatMs;
    const fired = await trigger.wait(Date.now() + Math.min(lookAt - performance.now(), nextBeatMs), signal);
    parts.onBeat();
    if (signal.aborted) return;
    if (!fired && performance.now() < lookAt) {
      await reconciler.checkCredentials();
      continue;
    }
    const { done, wakeAt } = await reconciler.look(signal);
    const untilWakeMs = (wakeAt ?? Number.POSITIVE_INFINITY) - Date.now();
    lookAt = performance.now() + Math.min(untilWakeMs, parts.lookIntervalMs());
    if (done) parts.onLook();
  }
}
