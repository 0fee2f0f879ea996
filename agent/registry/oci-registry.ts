/**
 * The ports `Registry` and `ImageSource` on the OCI distribution API: digests by HEAD, manifests through indexes, configs for the chain ids,
 * blobs that nobody keeps.
 */

import type { Credential } from '../core/credentials.ts';
import { Failure, type FailureCode } from '../core/failure.ts';
import { formatReference, type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { Platform } from '../core/platform.ts';
import { RegistryClient } from './client.ts';
import { type EndpointSettings, toEndpoint } from './endpoint.ts';
import type { ImageSource } from './image-source.ts';
import { RecentlyUsed } from './recently-used.ts';
import type { ManifestSummary, Registry } from './registry.ts';
import { RepositoryAccess } from './repository-access.ts';
import { RepositoryBlobs } from './repository-blobs.ts';
import { RepositoryReader } from './repository-reader.ts';
import { selectImage } from './selection.ts';
import { readSourceChildren, readSourceImage } from './source-image.ts';
import { readStoredSignatures } from './stored-signatures.ts';
import { listTags } from './tag-list.ts';
import { defaultTimeouts, type RegistryLog, type Timeouts, Transport, type TransportOptions } from './transport.ts';

export interface OciRegistryOptions extends TransportOptions {
  /** Asked on every request, so that a new configuration takes effect at once. */
  readonly registries: () => readonly EndpointSettings[];
  /** The node's, for indexes (core/platform.ts). */
  readonly platform: Platform;
  readonly log?: RegistryLog;
  readonly timeouts?: Partial<Timeouts>;
  /** Before a broken download of `discardBlob` goes on; twice as long with each break without progress. Default 1 s. */
  readonly resumeDelayMs?: number;
  /** Each call of the ports that fails, by its class; aborts are not told. */
  readonly onFailure?: (registryHost: string, code: FailureCode) => void;
}

/** Summaries by digest, and what tags pointed to: content that a digest names never changes. */
const cacheSize = 256;
const defaultResumeDelayMs = 1_000;

export function createOciRegistry(options: OciRegistryOptions): Registry & ImageSource {
  const transport = new Transport({ ...defaultTimeouts, ...options.timeouts }, options.log, options);
  const client = new RegistryClient(transport);
  const summaries = new RecentlyUsed<ManifestSummary>(cacheSize);
  const tags = new RecentlyUsed<string>(cacheSize);

  /** Runs the work with each credential for the host until one is accepted; without any: anonymously. */
  async function withLogin<Result>(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
    work: (reader: RepositoryReader, access: RepositoryAccess) => Promise<Result>,
  ): Promise<Result> {
    const endpoint = toEndpoint(reference.registry, options.registries());
    const own = credentials.filter(({ host }) => host === reference.registry);
    let refusal: unknown;
    for (const credential of own.length === 0 ? [undefined] : own) {
      signal.throwIfAborted();
      try {
        const access = new RepositoryAccess(client, { endpoint, credential }, reference, signal);
        return await work(new RepositoryReader(access), access);
      } catch (error) {
        signal.throwIfAborted();
        refusal = error;
        if (!(error instanceof Failure) || error.code !== 'auth') break;
      }
    }
    options.onFailure?.(endpoint.host, Failure.from(refusal).code);
    throw refusal;
  }

  function keyOf(reference: ImageReference, digest: string): string {
    return `${repositoryName(reference)}@${digest}`;
  }

  async function readFresh(reference: ImageReference, reader: RepositoryReader): Promise<ManifestSummary> {
    const top = await reader.manifest(toName(reference));
    const { summary, isComplete } = await selectImage(top, options.platform, reader, options.log);
    // Without its config a summary may do for now; the next look tries again.
    if (isComplete) summaries.set(keyOf(reference, summary.digest), summary);
    if (reference.digest === undefined) tags.set(formatReference(reference), summary.digest);
    return summary;
  }

  const toBlobs = (access: RepositoryAccess): RepositoryBlobs =>
    new RepositoryBlobs(access, options.resumeDelayMs ?? defaultResumeDelayMs);

  return {
    async resolveDigest(reference, credentials, signal) {
      signal.throwIfAborted();
      if (reference.digest !== undefined) return reference.digest;
      return withLogin(reference, credentials, signal, (reader) => reader.digestOf(toName(reference)));
    },

    async readManifest(reference, credentials, signal) {
      signal.throwIfAborted();
      const seen = reference.digest ?? tags.get(formatReference(reference));
      const known = seen === undefined ? undefined : summaries.get(keyOf(reference, seen));
      if (known !== undefined && reference.digest !== undefined) return known;
      return withLogin(reference, credentials, signal, async (reader) => {
        if (known !== undefined && (await reader.digestOf(toName(reference))) === known.digest) return known;
        return readFresh(reference, reader);
      });
    },

    headManifest: (reference, credentials, signal) =>
      withLogin(reference, credentials, signal, async (reader) => ({
        digest: await reader.digestOf(toName(reference)),
      })),

    readImage: (reference, platforms, credentials, signal) =>
      withLogin(reference, credentials, signal, (reader) => readSourceImage(toName(reference), platforms, reader)),

    readChildren: (reference, platforms, credentials, signal) =>
      withLogin(reference, credentials, signal, (reader) => readSourceChildren(toName(reference), platforms, reader)),

    hasBlob: (reference, digest, credentials, signal) =>
      withLogin(reference, credentials, signal, (_, access) => toBlobs(access).has(digest)),

    touchBlob: (reference, digest, credentials, signal) =>
      withLogin(reference, credentials, signal, (_, access) => toBlobs(access).touch(digest)),

    discardBlob: (reference, blob, credentials, signal, onBytes) =>
      withLogin(reference, credentials, signal, (_, access) => toBlobs(access).discard(blob, onBytes)),

    listTags: (reference, credentials, signal) =>
      withLogin(reference, credentials, signal, (_, access) => listTags(access)),

    readSignatures: (reference, digest, credentials, signal, onUnread) =>
      withLogin(reference, credentials, signal, (reader, access) =>
        readStoredSignatures(digest, access, reader, onUnread),
      ),

    close: () => transport.close(),
  };
}

function toName({ digest, tag }: ImageReference): string {
  return digest ?? tag ?? 'latest';
}
