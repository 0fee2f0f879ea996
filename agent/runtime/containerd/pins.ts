/**
 * The label by which containerd's CRI plugin (1.7 and later; 1.6 has it and does not show it) tells the kubelet's collection to leave an
 * image alone, and a second one that says that the pin is ours. Both stand on the record of one name, and any later pull of that name drops
 * both.
 */

import type { GrpcClient } from '../grpc/client.ts';
import { images } from './containerd-protocol.ts';
import { readRecord } from './image-record.ts';

const pinLabel = 'io.cri-containerd.pinned';
const pinValue = 'pinned';
const ownerLabel = 'stevedore.dev/pinned';
const ownerValue = 'true';

type Labels = Readonly<Record<string, string>>;

export function isPinnedByUs(labels: Labels): boolean {
  return labels[pinLabel] === pinValue && labels[ownerLabel] === ownerValue;
}

/** Another value than the CRI plugin's is no pin to the kubelet, and still somebody's wish: it stays. */
export function isPinnedByOthers(labels: Labels): boolean {
  return (labels[pinLabel] ?? '') !== '' && !isPinnedByUs(labels);
}

/** Ours, whole or what is left of it. */
export function hasPinLabels(labels: Labels): boolean {
  return (labels[ownerLabel] ?? '') !== '';
}

/** Every label of ours, and the CRI plugin's unless it says now what somebody else has written. @throws Failure `not_found` */
export async function dropPin(client: GrpcClient, name: string, signal: AbortSignal): Promise<void> {
  const { labels, target } = await readRecord(client, name, signal);
  const ours = isPinnedByUs(labels) ? [pinLabel, ownerLabel] : [ownerLabel];
  const update_mask = { paths: ours.map((label) => `labels.${label}`) };
  await client.unary(images.update, { image: { name, labels: {}, target }, update_mask }, signal);
}

/** Leaves the pin of somebody else as it is, whichever is asked for. @throws Failure `not_found` */
export async function savePin(client: GrpcClient, name: string, pinned: boolean, signal: AbortSignal): Promise<void> {
  const { labels, target } = await readRecord(client, name, signal);
  if (isPinnedByOthers(labels) || isPinnedByUs(labels) === pinned) return;
  const image = { name, labels: pinned ? { [pinLabel]: pinValue, [ownerLabel]: ownerValue } : {}, target };
  const update_mask = { paths: [pinLabel, ownerLabel].map((label) => `labels.${label}`) };
  await client.unary(images.update, { image, update_mask }, signal);
}
