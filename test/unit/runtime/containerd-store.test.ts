import { beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { toChainIds } from '../../../agent/core/layers.ts';
import { toPlatform } from '../../../agent/core/platform.ts';
import { createImageStore, type ImageStore } from '../../../agent/runtime/containerd/store.ts';
import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [index, manifest, config, foreignManifest, foreignConfig] = ['1', '2', '3', '4', '5'].map(id) as [
  string,
  string,
  string,
  string,
  string,
];
const diffIds = [id('6'), id('7')];
const [base, top] = toChainIds(diffIds) as [string, string];
const platform = toPlatform(process.platform, process.arch);
const foreign = { os: platform.os, architecture: 'riscv64' };
const name = 'docker.io/library/app:1';
const signal = new AbortController().signal;
const gc = 'containerd.io/gc.ref.';
const snapshotLabel = `${gc}snapshot.overlayfs`;

interface Blob {
  readonly document: unknown;
  labels: Record<string, string>;
}

/** A containerd whose image store, content store and snapshots are in memory, and which counts what it is asked. */
class Containerd {
  /** Record name → target digest. */
  readonly records = new Map<string, string>([
    [name, index],
    [config, index],
  ]);
  readonly blobs = new Map<string, Blob>([
    [
      index,
      {
        document: {
          manifests: [
            { digest: foreignManifest, platform: foreign },
            { digest: manifest, platform },
          ],
        },
        labels: { [`${gc}content.m.0`]: foreignManifest, [`${gc}content.m.1`]: manifest },
      },
    ],
    [manifest, toManifest(config)],
    [config, { document: { rootfs: { diff_ids: diffIds } }, labels: { [snapshotLabel]: top } }],
  ]);
  readonly snapshots = new Map([
    [base, ''],
    [top, base],
  ]);
  readonly sizes = new Map([[config, 1234]]);
  asked: string[] = [];

  readonly client = {
    unary: async (method: { name: string; service: string }, request: never) =>
      await Promise.resolve(this.answer(this.note(method), request)),
    stream: (method: { name: string; service: string }, request: never) => this.items(this.note(method), request),
  } as unknown as GrpcClient;

  count(method: string): number {
    return this.asked.filter((asked) => asked === method).length;
  }

  private note({ service, name: method }: { name: string; service: string }): string {
    const short = `${service.split('.').at(-1)}/${method}`;
    this.asked.push(short);
    return short;
  }

  private answer(method: string, { digest }: { digest: string }): unknown {
    switch (method) {
      case 'Images/List':
        return {
          images: [...this.records].map(([record, target]) => ({
            name: record,
            labels: {},
            target: { media_type: '', digest: target, size: '1' },
          })),
        };
      case 'ImageService/ListImages':
        return { images: [...this.sizes].map(([image, size]) => ({ id: image, size: String(size) })) };
      case 'Content/Info':
        if (this.blobs.has(digest)) return { info: { digest, size: '1' } };
    }
    throw new Failure('not_found', method);
  }

  private async *items(method: string, request: { digest: string; filters: readonly string[] }) {
    await Promise.resolve();
    if (method === 'Snapshots/List')
      yield { info: [...this.snapshots].map(([key, parent]) => ({ name: key, parent })) };
    if (method === 'Content/List') yield { info: this.listContent(request.filters) };
    if (method !== 'Content/Read') return;
    const blob = this.blobs.get(request.digest);
    if (blob === undefined) throw new Failure('not_found', request.digest);
    yield { data: Buffer.from(JSON.stringify(blob.document)) };
  }

  /** A filter `labels."key"` selects what has the label; several select what any of them does. */
  private listContent(filters: readonly string[]): unknown[] {
    const keys = filters.map((filter) => /^labels\."(.+)"$/.exec(filter)?.[1] ?? '');
    return [...this.blobs]
      .filter(([, { labels }]) => keys.length === 0 || keys.some((key) => labels[key] !== undefined))
      .map(([digest, { labels }]) => ({ digest, labels }));
  }
}

function toManifest(of: string): Blob {
  return { document: { config: { digest: of }, layers: [] }, labels: { [`${gc}content.config`]: of } };
}

describe('a look at the images of containerd', () => {
  let containerd: Containerd;
  let store: ImageStore;

  beforeEach(() => {
    containerd = new Containerd();
    store = createImageStore(containerd.client, () => Promise.resolve('overlayfs'));
  });

  const shown = {
    id: config,
    tags: [name],
    digests: [],
    sizeBytes: 1234,
    pinnedNames: [],
    pinnedByOthers: false,
    whole: true,
  };

  it('reads no document where labels tell what belongs together', async () => {
    expect(await store.listImages(signal)).toEqual([shown]);
    expect(containerd.count('Content/Read')).toBe(0);
    expect(containerd.count('Content/Info')).toBe(0);
  });

  it('asks for sizes only when there is an image that is new', async () => {
    await store.listImages(signal);
    await store.listImages(signal);
    expect(containerd.count('ImageService/ListImages')).toBe(1);
    containerd.records.set('docker.io/library/other:1', foreignManifest);
    containerd.blobs.set(foreignManifest, toManifest(foreignConfig));
    containerd.blobs.set(foreignConfig, { document: {}, labels: { [snapshotLabel]: base } });
    containerd.sizes.set(foreignConfig, 99);
    expect(await store.listImages(signal)).toMatchObject([shown, { id: foreignConfig, sizeBytes: 99, whole: true }]);
  });

  it.each(['index', 'manifest', 'config', 'all'])('reads what has lost its labels (%s), once', async (lost) => {
    const of: Record<string, string[]> = { index: [index], manifest: [manifest], config: [config] };
    for (const digest of of[lost] ?? [index, manifest, config]) {
      const blob = containerd.blobs.get(digest);
      if (blob !== undefined) blob.labels = {};
    }
    expect(await store.listImages(signal)).toEqual([shown]);
    containerd.asked = [];
    expect(await store.listImages(signal)).toEqual([shown]);
    expect(containerd.count('Content/Read')).toBe(0);
  });

  it("takes this node's manifest of an index that the CRI does not know, though others were fetched too", async () => {
    containerd.records.delete(config);
    containerd.blobs.set(foreignManifest, toManifest(foreignConfig));
    containerd.blobs.set(foreignConfig, { document: {}, labels: { [snapshotLabel]: base } });
    expect(await store.listImages(signal)).toMatchObject([{ id: config, whole: true }]);
  });

  it.each([
    ['the config', () => containerd.blobs.delete(config)],
    ['the manifest', () => containerd.blobs.delete(manifest)],
    ['the index', () => containerd.blobs.delete(index)],
    ['the top layer', () => containerd.snapshots.delete(top)],
    ['a layer below', () => containerd.snapshots.delete(base)],
  ])('sees that %s is gone, at the first look and at later ones, and when it is back', async (_part, remove) => {
    const blobs = new Map(containerd.blobs);
    const snapshots = new Map(containerd.snapshots);
    const broken = { id: config, tags: [name], whole: false };
    remove();
    expect(await store.listImages(signal)).toMatchObject([broken]);
    for (const [digest, blob] of blobs) containerd.blobs.set(digest, blob);
    for (const [key, parent] of snapshots) containerd.snapshots.set(key, parent);
    expect(await store.listImages(signal)).toEqual([shown]);
    remove();
    expect(await store.listImages(signal)).toMatchObject([broken]);
  });

  it('is not misled by the snapshots of another snapshotter', async () => {
    const blob = containerd.blobs.get(config);
    if (blob !== undefined) blob.labels = { [`${gc}snapshot.stargz`]: top };
    containerd.snapshots.clear();
    expect(await store.listImages(signal)).toMatchObject([{ id: config, whole: false }]);
  });
});
