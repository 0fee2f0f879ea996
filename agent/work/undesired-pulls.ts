import type { PrefetchSettings } from '../core/configuration.ts';
import type { Desired } from '../core/desired-images.ts';
import type { Pulls } from './pulls.ts';

/** Aborts the pulls that the configuration and labels do not ask for any more. Returns the references that they ask for. */
export function abortUndesired(
  pulls: Pulls,
  desired: Desired,
  { enabled, dryRun }: PrefetchSettings,
  isAllowed: (reference: string) => boolean,
): ReadonlySet<string> {
  const wanted = new Set(desired.images.map(({ reference }) => reference));
  if (!enabled) pulls.abort(() => true, 'prefetch.enabled is false');
  if (dryRun) pulls.abort(() => true, 'prefetch.dryRun is true');
  pulls.abort((reference) => !wanted.has(reference), 'no longer desired');
  pulls.abort((reference) => !isAllowed(reference), 'not allowed any more');
  return wanted;
}
