/** One image record of containerd. */

import { Failure } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { images, type Target } from './containerd-protocol.ts';

export interface FoundRecord {
  readonly labels: Readonly<Record<string, string>>;
  readonly target: Target;
}

/** @throws Failure `not_found` */
export async function readRecord(client: GrpcClient, name: string, signal: AbortSignal): Promise<FoundRecord> {
  const { image } = await client.unary(images.get, { name }, signal);
  if (image.target === null) throw new Failure('runtime', `${name} has no target`);
  return { labels: image.labels, target: image.target };
}
