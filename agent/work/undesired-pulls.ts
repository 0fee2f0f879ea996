import type { PrefetchSettings } from '../core/configuration.ts';
import type { Desired, DesiredImage } from '../core/desired-images.ts';
import type { PullPolicy } from '../core/pull-planner.ts';
import type { Pulls } from './pulls.ts';

/** Aborts the pulls that configuration and node do not ask for any more, or hold back. Returns the references that they ask for. */
export function abortUndesired(
  pulls: Pulls,
  desired: Desired,
  { enabled, dryRun }: PrefetchSettings,
  { isAllowed, hold }: Pick<PullPolicy, 'isAllowed' | 'hold'>,
): ReadonlySet<string> {
  const wanted = new Map(desired.images.map(({ reference, pullReference }) => [reference, pullReference]));
  if (!enabled) pulls.abort(() => true, 'prefetch.enabled is false');
  if (hold !== undefined) pulls.abort(() => true, hold.message);
  if (dryRun) pulls.abort(() => true, 'prefetch.dryRun is true');
  pulls.abort(({ reference }) => !wanted.has(reference), 'no longer desired');
  pulls.abort((image) => isSuperseded(image, wanted.get(image.reference)), 'the tag stands for another image now');
  pulls.abort(({ reference }) => !isAllowed(reference), 'not allowed any more');
  return new Set(wanted.keys());
}

/** A pull of the tag itself brings whatever it stands for, and goes on. */
function isSuperseded({ reference, pullReference }: DesiredImage, wanted: string | undefined): boolean {
  return pullReference !== reference && wanted !== undefined && wanted !== pullReference && wanted !== reference;
}
