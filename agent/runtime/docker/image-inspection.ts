import { toEpochMs } from './docker-objects.ts';
import { type DockerClient, refusalStatus } from './docker-client.ts';

export const unaryTimeoutMs = 30_000;
/** Lists of a node with thousands of images and containers on a busy disk take long. */
export const listTimeoutMs = 60_000;
export const inspectionsAtOnce = 8;

export interface InspectedImage {
  readonly id: string;
  /** As dockerd writes them, not normalised: what its calls take. */
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** Of the uncompressed layers, base first. */
  readonly diffIds: readonly string[];
  /** Build time, epoch ms. */
  readonly builtAt: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** By name or id; undefined when dockerd has no such image. */
export async function inspectImage(
  client: DockerClient,
  name: string,
  signal: AbortSignal,
): Promise<InspectedImage | undefined> {
  try {
    const answer = await client.call({ method: 'GET', path: `/images/${name}/json` }, unaryTimeoutMs, signal);
    const image = answer as {
      readonly Id: string;
      readonly RepoTags: readonly string[] | null;
      readonly RepoDigests: readonly string[] | null;
      readonly Created?: string;
      readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null } | null;
      readonly RootFS: { readonly Layers?: readonly string[] };
    };
    return {
      id: image.Id,
      tags: image.RepoTags ?? [],
      digests: image.RepoDigests ?? [],
      diffIds: image.RootFS.Layers ?? [],
      builtAt: toEpochMs(image.Created),
      labels: image.Config?.Labels ?? {},
    };
  } catch (error) {
    if (refusalStatus(error) === 404) return undefined;
    throw error;
  }
}
