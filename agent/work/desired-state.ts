import type { Configuration } from '../core/configuration.ts';
import { type Desired, nothingDesired, toDesired } from '../core/desired-images.ts';
import type { NodeState } from '../core/node-state.ts';
import { toHarborHosts } from '../core/own-resolutions.ts';
import type { Platform } from '../core/platform.ts';
import { noResolutions, type Resolutions } from '../core/resolution.ts';
import type { Inputs } from './reconciler-parts.ts';
import type { Connected } from './runtime-connection.ts';

/** What this node should hold, with all that says so. */
export class DesiredState {
  configuration: Configuration | undefined;
  node: NodeState | undefined;
  connected: Connected | undefined;
  resolutions: Resolutions = noResolutions;
  readonly #platform: Platform;
  #desired: Desired = nothingDesired;

  /** @param platform the node's own */
  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** As of the last update. */
  get desired(): Desired {
    return this.#desired;
  }

  /** Names that image sets ask for, and those by which their images are pulled. */
  get names(): ReadonlySet<string> {
    return new Set(this.#desired.images.flatMap(({ reference, pullReference }) => [reference, pullReference]));
  }

  /** Undefined while something is missing. */
  get inputs(): Inputs | undefined {
    const { configuration, node, connected } = this;
    if (configuration === undefined || node === undefined || connected === undefined) return undefined;
    return { configuration, node, connected };
  }

  update(configuration: Configuration, node: NodeState): void {
    this.#desired = toDesired(configuration.imageSets, node.labels, {
      resolutions: this.resolutions,
      platform: this.#platform,
      // Before the runtime has answered nothing is pulled.
      pullsChildren: this.connected?.info.capabilities.alias ?? true,
      harborHosts: toHarborHosts(configuration),
    });
  }
}
