/** One image of two layers under four names in a containerd in memory, and the adapter's removal on it. */

import { vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { createImageRemoval, type ImageRemoval } from '../../../agent/runtime/containerd/image-removal.ts';
import { createImageStore } from '../../../agent/runtime/containerd/store.ts';
import type { Removal } from '../../../agent/runtime/runtime.ts';
import { ContainerdServer, snapshotter } from './containerd-server.ts';

export const never = new AbortController().signal;
export const digestOf = (digit: string): string => `sha256:${digit.repeat(64)}`;
export const [imageId, manifest, layer, base, top] = ['1', '2', '3', 'a', 'b'].map(digestOf) as [
  string,
  string,
  string,
  string,
  string,
];
export const [tag, ...otherNames] = [
  'docker.io/library/app:1',
  'docker.io/library/app:2',
  `docker.io/library/app@${manifest}`,
  imageId,
] as const;
const names = [tag, ...otherNames];
export const target = { media_type: 'application/x', digest: manifest, size: '500', annotations: { note: 'grün' } };
/** Together far more than a label of containerd may be long. */
export const labels = { 'io.cri-containerd.image': 'managed', first: '☃'.repeat(1_300), second: '☂'.repeat(1_300) };
const snapshotLabel = `containerd.io/gc.ref.snapshot.${snapshotter}`;
export const killed = new Failure('runtime', 'killed');

function addImage(server: ContainerdServer): void {
  const references = { 'containerd.io/gc.ref.content.config': imageId, 'containerd.io/gc.ref.content.l.0': layer };
  server.blobs.set(manifest, { size: '500', labels: references });
  server.blobs.set(imageId, { size: '600', labels: { [snapshotLabel]: top } });
  server.blobs.set(layer, { size: '5000', labels: {} });
  server.snapshots.set(base, { parent: '', kind: 3, labels: {} });
  server.snapshots.set(top, { parent: base, kind: 3, labels: {} });
  for (const name of names) server.records.set(name, { labels, target });
}

/** One of the same layers, with another config. */
export function addSibling(server: ContainerdServer): void {
  const [config, sibling] = [digestOf('4'), digestOf('5')];
  server.blobs.set(sibling, { size: '1', labels: { 'containerd.io/gc.ref.content.config': config } });
  server.blobs.set(config, { size: '1', labels: { [snapshotLabel]: top } });
  server.records.set('docker.io/library/sibling:1', { labels: {}, target: { ...target, digest: sibling } });
}

export type Stage = 'prepared' | 'stored';

/**
 * A client that has found the image gets as far as this, in one moment. @returns false where there is nothing to prepare its layer on
 */
export function addContainer(server: ContainerdServer, stage: Stage): boolean {
  if (!server.snapshots.has(top)) return false;
  server.snapshots.set('mine', { parent: top, kind: 2, labels: {} });
  if (stage === 'stored') server.containers.set('mine', { image: tag, snapshot_key: 'mine' });
  else server.leases.set('client', { labels: {}, resources: [{ id: 'mine', type: `snapshots/${snapshotter}` }] });
  return true;
}

export class RemovalWorld {
  readonly server = new ContainerdServer();

  constructor() {
    addImage(this.server);
  }

  remove(signal = never): Promise<Removal> {
    return settle(this.#adapter().remove(imageId, signal));
  }

  undo(): Promise<readonly string[]> {
    return settle(this.#adapter().undo(never));
  }

  ourLeases(): string[] {
    return [...this.server.leases.keys()].filter((id) => id.startsWith('stevedore-'));
  }

  /** What the image has lost when the collector has run, and what of a removal is still there. */
  lost(): string[] {
    const { server } = this;
    server.collect();
    const lost = names.filter((name) => JSON.stringify(server.records.get(name)?.target) !== JSON.stringify(target));
    const unlabelled = names.filter(
      (name) => JSON.stringify(server.records.get(name)?.labels) !== JSON.stringify(labels),
    );
    const blobs = [manifest, imageId, layer].filter((digest) => !server.blobs.has(digest));
    const snapshots = [base, top].filter((key) => !server.snapshots.has(key));
    const traces = [...this.ourLeases(), ...Object.keys(server.snapshots.get(top)?.labels ?? {})];
    return [...lost, ...unlabelled, ...blobs, ...snapshots, ...traces];
  }

  /** What is left of everything when the collector has run. */
  left(): string[] {
    const { server } = this;
    server.collect();
    return [server.records, server.blobs, server.snapshots, server.leases].flatMap((map) => [...map.keys()]);
  }

  #adapter(): ImageRemoval {
    const snapshotterOf = (): Promise<string> => Promise.resolve(snapshotter);
    const { client } = this.server;
    return createImageRemoval(client, createImageStore(client, snapshotterOf), snapshotterOf);
  }
}

async function settle<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  await vi.runAllTimersAsync();
  return await work;
}

/** How many calls a removal makes that nothing disturbs. */
export async function countCalls(): Promise<number> {
  const world = new RemovalWorld();
  await world.remove();
  return world.server.calls.length;
}
