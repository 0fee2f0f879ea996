import type { PruneSettings } from '../core/configuration.ts';
import { Failure } from '../core/failure.ts';
import { type Leftover, type LeftoverKind, leftoverKinds } from '../core/leftovers.ts';
import type { Logger } from '../core/logger.ts';
import type { PruneRoundEvent } from '../core/prune-round.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Recorder } from './recorder.ts';
import type { UsageTracker } from './usage-tracker.ts';

export interface LeftoverPrunerParts {
  readonly settings: PruneSettings;
  readonly runtime: Runtime;
  readonly dryRun: boolean;
  /** Pruning has been switched off meanwhile. */
  readonly isOff: () => boolean;
  readonly onEvent: (event: PruneRoundEvent) => void;
  readonly usage: Pick<UsageTracker, 'unusedForMs' | 'retainLeftovers'>;
  readonly recorder: Pick<Recorder, 'leftovers' | 'leftoverRemoved'>;
  readonly log: Logger;
}

/** Looks at what else takes disk, reports it, and removes what the configuration lets go. */
export async function pruneLeftovers(parts: LeftoverPrunerParts, signal: AbortSignal): Promise<void> {
  const { settings, runtime, dryRun, isOff, onEvent, usage, recorder, log } = parts;
  const found = await listLeftovers(settings, runtime, signal);
  usage.retainLeftovers(found);
  const left = new Set(found);
  for (const leftover of found) {
    signal.throwIfAborted();
    const { kind, name, bytes } = leftover;
    // Asked also for kinds that are not removed: their time runs from when they were first seen.
    const unusedForMs = usage.unusedForMs(leftover, Date.now());
    if (kind === 'namespace') continue;
    const rule = settings.leftovers[kind];
    if (!rule.enabled || unusedForMs < rule.unusedForMs || isOff()) continue;
    const tell = (outcome: (PruneRoundEvent & { kind: 'leftover' })['outcome']): void =>
      onEvent({ kind: 'leftover', leftover: kind, name, bytes, outcome });
    if (dryRun) {
      tell('would_remove');
      log.info({ kind, name, bytes, unusedForMs }, 'leftover would be removed (dry run)');
      continue;
    }
    try {
      const removed = (await runtime.removeLeftover(leftover, signal)) === 'removed';
      tell(removed ? 'removed' : 'skipped');
      // Gone already, or used again: it is no leftover either way.
      left.delete(leftover);
      if (!removed) continue;
      recorder.leftoverRemoved(kind, bytes ?? 0);
      log.info({ kind, name, bytes, unusedForMs }, 'leftover removed');
    } catch (error) {
      signal.throwIfAborted();
      tell('failed');
      log.warn({ kind, name, error: Failure.from(error).message }, 'leftover not removed');
    }
  }
  recorder.leftovers(count([...left], toKinds(settings)));
}

export async function listLeftovers(
  settings: Pick<PruneSettings, 'leftovers'>,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<readonly Leftover[]> {
  return await runtime.listLeftovers(new Set(toKinds(settings)), signal);
}

/** Build cache is asked for only where it is to be removed: Docker walks the disk for it, for minutes on a full one. */
function toKinds({ leftovers }: Pick<PruneSettings, 'leftovers'>): readonly LeftoverKind[] {
  return leftoverKinds.filter((kind) => kind !== 'build_cache' || leftovers.build_cache.enabled);
}

function count(
  found: readonly Leftover[],
  kinds: readonly LeftoverKind[],
): Map<LeftoverKind, { readonly count: number; readonly bytes: number }> {
  const counts = new Map(kinds.map((kind) => [kind, { count: 0, bytes: 0 }]));
  for (const { kind, bytes = 0 } of found) {
    const known = counts.get(kind) ?? { count: 0, bytes: 0 };
    counts.set(kind, { count: known.count + 1, bytes: known.bytes + bytes });
  }
  return counts;
}
