/** The client of image registries that the node itself asks: part of the composition root. */

import type { Configuration } from './core/configuration.ts';
import type { Logger } from './core/logger.ts';
import type { Platform } from './core/platform.ts';
import { readBuildInfo } from './ops/build-info.ts';
import type { Metrics } from './ops/metrics.ts';
import { createLazyRegistry } from './registry/lazy-registry.ts';
import type { Registry } from './registry/registry.ts';

/** What registries see in their logs. */
export function toUserAgent(): string {
  return `stevedore/${readBuildInfo(process.env).version}`;
}

export function createNodeRegistry(
  configuration: () => Configuration | undefined,
  platform: Platform,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
): Registry {
  return createLazyRegistry(async () => {
    const { createOciRegistry } = await import('./registry/oci-registry.ts');
    return createOciRegistry({
      registries: () => configuration()?.registries ?? [],
      platform,
      userAgent: toUserAgent(),
      onRequest: metrics.registryRequest,
      onFailure: metrics.registryFailure,
      log,
    });
  });
}
