/** The `Registry` port on the OCI distribution API: digests by HEAD, manifests through indexes, configs for the chain ids. */

import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { formatReference, type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { Platform } from '../core/platform.ts';
import { RegistryClient } from './client.ts';
import { type EndpointSettings, toEndpoint } from './endpoint.ts';
import { RecentlyUsed } from './recently-used.ts';
import type { ManifestSummary, Registry } from './registry.ts';
import { RepositoryReader } from './repository-reader.ts';
import { selectImage } from './selection.ts';
import { defaultTimeouts, type RegistryLog, type Timeouts, Transport } from './transport.ts';

export interface OciRegistryOptions {
  /** Asked on every request, so that a new configuration takes effect at once. */
  readonly registries: () => readonly EndpointSettings[];
  /** The node's, for indexes (core/platform.ts). */
  readonly platform: Platform;
  readonly log?: RegistryLog;
  readonly timeouts?: Partial<Timeouts>;
}

/** Summaries by digest, and what tags pointed to: content that a digest names never changes. */
const cacheSize = 256;

export function createOciRegistry(options: OciRegistryOptions): Registry {
  const transport = new Transport({ ...defaultTimeouts, ...options.timeouts }, options.log);
  const client = new RegistryClient(transport);
  const summaries = new RecentlyUsed<ManifestSummary>(cacheSize);
  const tags = new RecentlyUsed<string>(cacheSize);

  /** Runs the work with each credential for the host until one is accepted; without any: anonymously. */
  async function withLogin<Result>(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
    work: (reader: RepositoryReader) => Promise<Result>,
  ): Promise<Result> {
    const endpoint = toEndpoint(reference.registry, options.registries());
    const own = credentials.filter(({ host }) => host === reference.registry);
    let refusal: unknown;
    for (const credential of own.length === 0 ? [undefined] : own) {
      signal.throwIfAborted();
      try {
        return await work(new RepositoryReader(client, { endpoint, credential }, reference, signal));
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== 'auth') throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  function keyOf(reference: ImageReference, digest: string): string {
    return `${repositoryName(reference)}@${digest}`;
  }

  async function readFresh(reference: ImageReference, reader: RepositoryReader): Promise<ManifestSummary> {
    const top = await reader.manifest(reference.digest ?? reference.tag ?? 'latest');
    const { summary, isComplete } = await selectImage(top, options.platform, reader, options.log);
    // Without its config a summary may do for now; the next look tries again.
    if (isComplete) summaries.set(keyOf(reference, summary.digest), summary);
    if (reference.digest === undefined) tags.set(formatReference(reference), summary.digest);
    return summary;
  }

  return {
    async resolveDigest(reference, credentials, signal) {
      signal.throwIfAborted();
      if (reference.digest !== undefined) return reference.digest;
      return withLogin(reference, credentials, signal, (reader) => reader.digestOf(reference.tag ?? 'latest'));
    },

    async readManifest(reference, credentials, signal) {
      signal.throwIfAborted();
      const seen = reference.digest ?? tags.get(formatReference(reference));
      const known = seen === undefined ? undefined : summaries.get(keyOf(reference, seen));
      if (known !== undefined && reference.digest !== undefined) return known;
      return withLogin(reference, credentials, signal, async (reader) => {
        if (known !== undefined && (await reader.digestOf(reference.tag ?? 'latest')) === known.digest) return known;
        return readFresh(reference, reader);
      });
    },

    close: () => transport.close(),
  };
}
