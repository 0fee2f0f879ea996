/** The clients of registries and Harbors of whoever resolves and warms for others: part of the composition root. */

import type { RegistrySettings } from './core/configuration.ts';
import type { Logger } from './core/logger.ts';
import type { Platform } from './core/platform.ts';
import type { Metrics } from './ops/metrics.ts';
import { createHarbor } from './registry/harbor-api.ts';
import type { Harbor } from './registry/harbor.ts';
import type { ImageSource } from './registry/image-source.ts';
import { createOciRegistry } from './registry/oci-registry.ts';

export interface CoordinatorClientsParts {
  readonly registries: () => readonly RegistrySettings[];
  readonly platform: Platform;
  /** `stevedore/1.2.3` */
  readonly userAgent: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export interface CoordinatorClients {
  /** With short time-outs. */
  readonly source: ImageSource;
  /** For blobs, whose headers and bodies may take their time. */
  readonly blobs: ImageSource;
  readonly harbor: Harbor;
  close(): Promise<void>;
}

/** An upstream that hangs blocks look-ups by tag for minutes; nobody waits for that. */
const timeouts = { connectMs: 5_000, idleMs: 20_000, totalMs: 30_000 };
/** A gateway that reads a whole blob before it answers does so in that time, or is found out. */
const blobTimeouts = { connectMs: 5_000, idleMs: 300_000, totalMs: 300_000 };
/** At once to one host: more than anybody would set `warm.maxParallel` to. */
const blobRequests = 32;

export function createCoordinatorClients(parts: CoordinatorClientsParts): CoordinatorClients {
  const { registries, platform, userAgent, metrics, log } = parts;
  const { registryRequest: onRequest, registryFailure: onFailure } = metrics;
  const shared = { registries, timeouts, userAgent, onRequest, onFailure, log };
  const source = createOciRegistry({ ...shared, platform });
  const blobs = createOciRegistry({ ...shared, platform, timeouts: blobTimeouts, maxRequests: blobRequests });
  const harbor = createHarbor(shared);
  return {
    source,
    blobs,
    harbor,
    close: async () => {
      await Promise.allSettled([source.close(), blobs.close(), harbor.close()]);
    },
  };
}
