/** What a pull has to wait for, other than its turn. Pure. */

import type { DesiredImage } from './desired-images.ts';
import type { WaitingPull } from './pull-plan.ts';
import type { PullWorld } from './pull-planner.ts';

export function findWait(desired: DesiredImage, world: PullWorld): WaitingPull | undefined {
  const { reference, imageSets } = desired;
  const base = { reference, imageSets, failure: undefined, until: undefined };
  if (!world.policy.enabled) return { ...base, reason: 'paused', message: 'prefetch.enabled is false' };
  if (world.policy.hold !== undefined) {
    const { reason, message } = world.policy.hold;
    return { ...base, reason: reason === 'pressure' ? 'pressure' : 'paused', message };
  }
  if (desired.windows !== undefined) {
    const states = desired.windows.map((window) => world.policy.windowState(window, world.now));
    if (!states.some(({ open }) => open)) {
      const opens = states.flatMap(({ changesAt }) => (changesAt === undefined ? [] : [changesAt]));
      const until = opens.length === 0 ? undefined : Math.min(...opens);
      return { ...base, reason: 'window', message: 'the window of its image sets is closed', until };
    }
  }
  const backoff = world.backoffs.get(reference);
  if (backoff !== undefined && backoff.until > world.now) {
    const { failure, until } = backoff;
    return { ...base, reason: 'backoff', message: failure.message, until, failure: failure.code };
  }
  return undefined;
}

/** Until Harbor holds what a pull would make it fetch, once for each node that comes too early. */
export function findWarming(desired: DesiredImage, world: PullWorld): WaitingPull | undefined {
  const { reference, imageSets, gate, awaitsDigest, resolved } = desired;
  if (awaitsDigest === true) {
    const { message = 'it has not been resolved yet' } = resolved?.failure ?? {};
    const words = `no digest of it has passed the rules of its pattern: ${message}`;
    return { reference, imageSets, reason: 'warming', message: words, until: undefined, failure: undefined };
  }
  const wait = world.warmWaits.get(reference);
  if (wait === undefined) return undefined;
  const until = gate ? Math.min(wait.until, world.policy.gatedGoAt ?? wait.until) : wait.until;
  if (until <= world.now) return undefined;
  return { reference, imageSets, reason: 'warming', message: wait.message, until, failure: undefined };
}

/** Also before the registry is asked about it: that is what is spread. */
export function findSpread(desired: DesiredImage, world: PullWorld): WaitingPull | undefined {
  const { reference, imageSets } = desired;
  const due = (world.dueSince.get(reference) ?? world.now) + world.policy.spreadDelayMs(desired);
  const until = desired.gate ? Math.min(due, world.policy.gatedGoAt ?? due) : due;
  if (until <= world.now) return undefined;
  const message = `prefetch.spreadOver: this node begins at ${new Date(until).toISOString()}`;
  return { reference, imageSets, reason: 'slot', message, until, failure: undefined };
}
