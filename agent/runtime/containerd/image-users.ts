/** Whether anything uses an image now: containers, and those that are being made at this moment. */

import { toImageId, toStoredName } from '../cri/cri-calls.ts';
import { cri, type CriContainer } from '../cri/cri-protocol.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { listContainers, type SnapshotKey, snapshots } from './containerd-protocol.ts';
import type { RemovalJournal } from './removal-journal.ts';

const committedKind = 3;
/** A layer that is being unpacked (containerd 1.6 to 2.x): it may stand on the image's, and needs no name of it. */
const unpacking = /^extract-\S+ sha256:/;

/**
 * A container shows in three places, one after the other: its own layer is prepared, then containerd stores the container, then the CRI
 * plugin adds it to its list (containerd 1.6 to 2.1). From the moment that it looked the image up to the first of these nothing shows it.
 */
export async function isImageUsed(
  client: GrpcClient,
  image: Pick<RemovalJournal, 'imageId' | 'records' | 'tops'>,
  signal: AbortSignal,
): Promise<boolean> {
  const [own, { containers: records }, { containers: kubelets }] = await Promise.all([
    Promise.all(image.tops.map((top) => listLayersOn(client, top, signal))),
    client.unary(listContainers, { filters: [] }, signal),
    client.unary(cri.listContainers, {}, signal),
  ]);
  const names = new Set([image.imageId, ...image.records.map(({ name }) => name)]);
  if (kubelets.some((container) => isMadeFrom(container, image.imageId, names))) return true;

  const layers = new Set(own.flat().map(toText));
  const known = new Set(kubelets.map(({ id }) => id));
  for (const { id, image: name, snapshotter, snapshot_key: key } of records) {
    const stands = layers.delete(toText({ snapshotter, key }));
    // What the CRI says of its containers is exact; of the others only the name is recorded, which may have moved since.
    if (!known.has(id) && (stands || names.has(name))) return true;
  }
  // Nobody's yet: a container is being made.
  return layers.size > 0;
}

/** The snapshots that containers write to, or view, right on top of an image's layers. */
async function listLayersOn(
  client: GrpcClient,
  { snapshotter, key }: SnapshotKey,
  signal: AbortSignal,
): Promise<SnapshotKey[]> {
  const layers: SnapshotKey[] = [];
  // With user namespaces a copy of the top layer with shifted owners lies between, named after it (containerd 1.6 to 2.1).
  const request = { snapshotter, filters: [`parent~=${JSON.stringify(`^${key}(-[0-9]+-[0-9]+)?$`)}`] };
  for await (const { info } of client.stream(snapshots.list, request, signal)) {
    for (const { name, kind } of info) {
      if (kind !== committedKind && !unpacking.test(name)) layers.push({ snapshotter, key: name });
    }
  }
  return layers;
}

function isMadeFrom(
  { image_id, image_ref, image }: CriContainer,
  imageId: string,
  names: ReadonlySet<string>,
): boolean {
  const id = toImageId(image_id) ?? toImageId(image_ref);
  if (id !== undefined) return id === imageId;
  return [image_ref, image?.image ?? ''].some((text) => names.has(text) || names.has(toStoredName(text) ?? ''));
}

function toText({ snapshotter, key }: SnapshotKey): string {
  return `${snapshotter} ${key}`;
}
