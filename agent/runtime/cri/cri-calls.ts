/** What the CRI adapter and the containerd adapter both ask of the CRI, in our types. */

import type { Credential } from '../../core/credentials.ts';
import { Failure, isRuntimeUnavailable } from '../../core/failure.ts';
import { InvalidReferenceError, parseReference, storedName } from '../../core/image-reference.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { ContainerState, RuntimeContainer, RuntimeImage } from '../runtime.ts';
import { cri, type CriAuth, type CriContainer, type CriImage } from './cri-protocol.ts';

/** An info call is also the liveness probe: a runtime that hangs must show soon. */
const probeDeadlineMs = 10_000;
/** Removing an image deletes its files before it returns: minutes on a slow disk. */
export const removeDeadlineMs = 300_000;

const digestPattern = /^sha256:[0-9a-f]{64}$/;
const states: readonly ContainerState[] = ['created', 'running', 'exited', 'unknown'];

/** `sha256:…` out of what runtimes call an image id (CRI-O: bare hex); undefined for a name. Pure. */
export function toImageId(text: string): string | undefined {
  if (digestPattern.test(text)) return text;
  return /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : undefined;
}

/** The normalised name that a runtime stores it under; undefined where the text is no reference. Pure. */
export function toStoredName(text: string): string | undefined {
  if (toImageId(text) !== undefined) return undefined;
  try {
    return storedName(parseReference(text));
  } catch (error) {
    if (error instanceof InvalidReferenceError) return undefined;
    throw error;
  }
}

function toNames(texts: readonly string[]): string[] {
  return [...new Set(texts.map(toStoredName).filter((name) => name !== undefined))].sort();
}

/** Pure. */
export function toRuntimeImage(image: CriImage): RuntimeImage {
  return {
    id: toImageId(image.id) ?? image.id,
    tags: toNames(image.repo_tags),
    digests: toNames(image.repo_digests),
    sizeBytes: Number(image.size),
    pinnedNames: [],
    // The CRI does not tell whose pin it is.
    pinnedByOthers: image.pinned,
    whole: true,
  };
}

export interface ContainerTimes {
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

const unknownTimes: ContainerTimes = { startedAt: undefined, finishedAt: undefined };

/** Nanoseconds since the epoch as milliseconds; undefined for what did not happen yet. Pure. */
export function toEpochMsOfNs(ns: string): number | undefined {
  const ms = Math.floor(Number(ns) / 1e6);
  return ms > 0 ? ms : undefined;
}

/** Pure. The kubelet creates containers from an image id and passes the pod's wording beside it. */
export function toRuntimeContainer(container: CriContainer, times: ContainerTimes = unknownTimes): RuntimeContainer {
  const { image } = container;
  const imageName =
    toStoredName(image?.user_specified_image ?? '') ??
    toStoredName(image?.image ?? '') ??
    toStoredName(container.image_ref);
  const imageId = toImageId(container.image_id) ?? toImageId(container.image_ref) ?? toImageId(image?.image ?? '');
  return {
    id: container.id,
    state: states[container.state] ?? 'unknown',
    imageIds: imageId === undefined ? [] : [imageId],
    imageName,
    createdAt: toEpochMsOfNs(container.created_at),
    ...times,
  };
}

/** The images that a container's own words name now, where it gives no id. Pure. */
export function toNamedImageIds({ image_ref, image }: CriContainer, images: readonly RuntimeImage[]): string[] {
  const texts = [image_ref, image?.image ?? '', image?.user_specified_image ?? ''];
  const names = new Set(texts.map(toStoredName).filter((name) => name !== undefined));
  return images
    .filter(({ tags, digests }) => [...tags, ...digests].some((name) => names.has(name)))
    .map(({ id }) => id);
}

/**
 * The CRI's AuthConfig. `server_address` is always set: containerd then gives the password to that host alone, also where
 * hosts.toml names mirrors. Docker Hub's registry answers under another name than its references use.
 */
export function toAuth(credential: Credential): CriAuth {
  const host = credential.host === 'docker.io' ? 'registry-1.docker.io' : credential.host;
  return { username: credential.username, password: credential.reveal(), server_address: `https://${host}` };
}

/** @throws Failure `runtime` where the socket's owner has no CRI (containerd without its CRI plugin). */
export async function readVersion(client: GrpcClient, signal: AbortSignal): Promise<{ name: string; version: string }> {
  const answer = await client.unary(cri.version, {}, signal, { deadlineMs: probeDeadlineMs });
  return { name: answer.runtime_name, version: answer.runtime_version };
}

/** The runtime's own word for where images are; undefined where it says none. */
export async function readImageRoot(client: GrpcClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer = await client.unary(cri.imageFsInfo, {}, signal, { deadlineMs: probeDeadlineMs });
    return answer.image_filesystems[0]?.fs_id?.mountpoint || undefined;
  } catch (error) {
    // Some runtimes answer with an error until they have sampled their disk: no reason to call them dead.
    if (error instanceof Failure && !isRuntimeUnavailable(error)) return undefined;
    throw error;
  }
}

/** One blocking call, bounded by the signal alone. Returns the image id. */
export async function pullImage(
  client: GrpcClient,
  request: { readonly reference: string; readonly credential: Credential | undefined },
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const image = { image: request.reference };
  const { image_ref } = await client.unary(
    cri.pullImage,
    request.credential === undefined ? { image } : { image, auth: toAuth(request.credential) },
    signal,
    { deadlineMs: 'none', headers },
  );
  const id = toImageId(image_ref);
  if (id !== undefined) return id;
  // CRI-O answers with a digest name.
  const status = await client.unary(cri.imageStatus, { image }, signal);
  if (status.image === null)
    throw new Failure('runtime', `the runtime pulled ${request.reference} and does not know it`);
  return toImageId(status.image.id) ?? status.image.id;
}
