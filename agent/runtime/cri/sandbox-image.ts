/** Which image the runtime makes pod sandboxes from. */

import { Failure, isRuntimeUnavailable } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { RuntimeImage } from '../runtime.ts';
import { toStoredName } from './cri-calls.ts';
import { cri } from './cri-protocol.ts';
import { isObject, parseJson } from './image-details.ts';

/**
 * Where clusters take their pause image from: kubeadm's registry and the one before it, its mirrors, those of the managed services, and
 * Rancher's copy for k3s and RKE2.
 */
const pauseName =
  /^(?:registry\.k8s\.io|k8s\.gcr\.io|gcr\.io\/google[-_]containers|gke\.gcr\.io|mcr\.microsoft\.com\/oss\/(?:v2\/)?kubernetes|registry\.aliyuncs\.com\/google_containers|registry\.cn-[a-z]+\.aliyuncs\.com\/google_containers|\d+\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?\/eks|docker\.io\/rancher|public\.ecr\.aws\/eks-distro\/kubernetes)\/(?:mirrored-)?pause(?:-[a-z0-9]+)?[:@]/;

/** By name alone, for where the runtime does not say. Pure. */
export function isPauseImage({ tags, digests }: Pick<RuntimeImage, 'tags' | 'digests'>): boolean {
  return [...tags, ...digests].some((name) => pauseName.test(name));
}

/**
 * The sandbox image's name, normalised: `sandboxImage` of the verbose status' `config` (containerd 1.6 and 1.7, CRI-O); undefined where the
 * runtime does not say.
 */
export async function readSandboxImageName(client: GrpcClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { info } = await client.unary(cri.status, { verbose: true }, signal);
    const config = parseJson(info['config'] ?? '');
    const name = isObject(config) ? config['sandboxImage'] : undefined;
    return typeof name === 'string' ? toStoredName(name) : undefined;
  } catch (error) {
    if (error instanceof Failure && !isRuntimeUnavailable(error)) return undefined;
    throw error;
  }
}
