import type { WarmSettings } from '../core/configuration.ts';
import type { DesiredImage } from '../core/desired-images.ts';
import { parseReference } from '../core/image-reference.ts';
import type { WarmWait } from '../core/pull-planner.ts';

export interface WarmWaitSettings {
  /** Hosts of `registries` with `harbor: true`: elsewhere nothing is worth waiting for. */
  readonly harborHosts: ReadonlySet<string>;
  readonly warm: WarmSettings;
  /** Somebody resolves and warms for this node. */
  readonly isLed: boolean;
}

/** An image that is new to the coordinator is resolved within seconds; then its own state says how long to wait. */
const unresolvedMs = 60_000;

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
  if (!warm.enabled || !isProxied || child?.warm !== 'cold') return undefined;
  return {
    name: `cold ${child.digest}`,
    message: "Harbor's proxy cache does not hold all of it yet, and the coordinator warms it",
    limitMs: warm.deadlineMs,
  };
}
