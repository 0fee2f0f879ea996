import type { WarmSettings } from '../core/configuration.ts';
import type { DesiredImage, DesiredResolution } from '../core/desired-images.ts';
import type { FailureCode } from '../core/failure.ts';
import { parseReference } from '../core/image-reference.ts';
import type { WarmWait } from '../core/pull-planner.ts';
import type { ResolvedFailure } from '../core/resolution.ts';

export interface WarmWaitSettings {
  /** Hosts of `registries` with `harbor: true`: elsewhere nothing is worth waiting for. */
  readonly harborHosts: ReadonlySet<string>;
  readonly warm: WarmSettings;
  /** Somebody resolves and warms for this node. */
  readonly isLed: boolean;
}

/** An image that is new to the coordinator is resolved within seconds; then its own state says how long to wait. */
const unresolvedMs = 60_000;
/** The coordinator lists the cluster's nodes, and so their platforms, every five minutes; then it is resolved within seconds. */
const platformMs = 360_000;
/** Failures of the coordinator's questions that end by themselves. */
const passing: ReadonlySet<FailureCode> = new Set(['upstream', 'rate_limited', 'network', 'timeout']);

/** How long pulls wait for the coordinator: never longer than since the image was first seen so, and not at all where nobody leads. */
export class WarmWaits {
  /** Monotonic ms. */
  readonly #since = new Map<string, { readonly state: string; readonly at: number }>();

  /** Waits end by the wall clock as it is now: to be asked again at every look, since it may be set. */
  update(images: readonly DesiredImage[], settings: WarmWaitSettings): ReadonlyMap<string, WarmWait> {
    const [now, wallNow] = [performance.now(), Date.now()];
    const waits = new Map<string, WarmWait>();
    const seen = new Set<string>();
    for (const image of images) {
      const state = findState(image, settings);
      if (state === undefined) continue;
      const { reference } = image;
      seen.add(reference);
      const earlier = this.#since.get(reference);
      const at = earlier?.state === state.name ? earlier.at : now;
      this.#since.set(reference, { state: state.name, at });
      if (settings.isLed) waits.set(reference, { message: state.message, until: wallNow + (at + state.limitMs - now) });
    }
    for (const reference of this.#since.keys()) if (!seen.has(reference)) this.#since.delete(reference);
    return waits;
  }
}

interface WaitState {
  readonly name: string;
  readonly message: string;
  readonly limitMs: number;
}

function findState(
  { reference, resolved, isResolvable }: DesiredImage,
  { harborHosts, warm }: WarmWaitSettings,
): WaitState | undefined {
  if (!isResolvable || !harborHosts.has(parseReference(reference).registry)) return undefined;
  if (resolved === undefined) {
    return {
      name: 'unresolved',
      message: 'the coordinator has not resolved it yet',
      limitMs: unresolvedMs,
    };
  }
  const { child, isProxied } = resolved;
  if (child === undefined) return findChildless(resolved, warm);
  if (!warm.enabled || !isProxied || child.warm !== 'cold') return undefined;
  return {
    name: `cold ${child.digest}`,
    message: "Harbor's proxy cache does not hold all of it yet, and the coordinator warms it",
    limitMs: warm.deadlineMs,
  };
}

/** Each node that pulls by tag now makes Harbor fetch a copy of its own. One name for both: what comes and goes must not begin the wait anew. */
function findChildless({ digest, isProxied, failure }: DesiredResolution, warm: WarmSettings): WaitState | undefined {
  const isFound = digest !== undefined;
  // Where it is kept is known with its digest.
  if (isFound && !isProxied) return undefined;
  const toLimitMs = (limitMs: number) => (warm.enabled ? limitMs : unresolvedMs);
  const name = 'childless';
  if (failure !== undefined && isPassing(failure, isProxied)) {
    const message = `the coordinator could not resolve it, and tries again: ${failure.message}`;
    return { name, message, limitMs: toLimitMs(warm.deadlineMs) };
  }
  // The pull's own failure says more.
  if (!isFound || failure?.code === 'no_platform') return undefined;
  const message = "the coordinator has not resolved it for this node's platform yet";
  return { name, message, limitMs: toLimitMs(platformMs) };
}

/** Of an ordinary project Harbor says in the same words for certain that something is not there. */
function isPassing({ code, detail }: ResolvedFailure, isProxied: boolean): boolean {
  if (code === 'not_found') return detail === 'not_found_proxy' && isProxied;
  return passing.has(code);
}
