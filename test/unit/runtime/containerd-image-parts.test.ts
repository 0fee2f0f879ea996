import { beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageRecord } from '../../../agent/runtime/containerd/containerd-protocol.ts';
import { createImageParts, type ImageParts } from '../../../agent/runtime/containerd/image-parts.ts';
import { ScriptedGrpc } from './scripted-grpc.ts';

const signal = new AbortController().signal;
const gc = 'containerd.io/gc.ref.';

interface Blob {
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

const record = (name: string, digest: string): ImageRecord => ({ name, labels: {}, target: { digest } });

describe('the parts of images on containerd', () => {
  let grpc: ScriptedGrpc;
  let parts: ImageParts;
  let snapshotter: string;
  let blobs: Map<string, Blob>;
  let snapshots: Map<string, string>;
  let images: Map<string, readonly ImageRecord[]>;

  beforeEach(() => {
    snapshotter = 'overlayfs';
    blobs = new Map([
      ['index', { size: 300, labels: { [`${gc}content.m.0`]: 'manifest', [`${gc}content.m.1`]: 'manifest of arm' } }],
      ['manifest', { size: 500, labels: { [`${gc}content.config`]: 'config', [`${gc}content.l.0`]: 'layer' } }],
      ['config', { size: 4096, labels: { [`${gc}snapshot.overlayfs`]: 'top' } }],
      ['layer', { size: 4097, labels: {} }],
      ["somebody else's", { size: 1e9, labels: {} }],
    ]);
    snapshots = new Map([
      ['top', 'base'],
      ['base', ''],
      ['of nobody', 'base'],
    ]);
    images = new Map([['image', [record('app:1', 'index'), record('app@index', 'index')]]]);
    grpc = new ScriptedGrpc({
      'Content/List': () => ({ info: [...blobs].map(([digest, blob]) => ({ digest, ...blob, size: `${blob.size}` })) }),
      'Snapshots/Usage': ({ key }: { key: string }) =>
        key === 'top' ? { size: '10000', inodes: '3' } : { size: '20000', inodes: '7' },
    });
    parts = createImageParts(
      grpc.client,
      {
        listRecords: () => Promise.resolve([...images].map(([imageId, records]) => ({ imageId, records }))),
        listSnapshots: () => Promise.resolve(snapshots),
      },
      () => Promise.resolve(snapshotter),
    );
  });

  /** `key bytes inodes` of each part. */
  const list = async (image = 'image'): Promise<string[]> =>
    ((await parts.list(signal)).get(image) ?? [])
      .map(({ key, bytes, inodes }) => `${key} ${bytes} ${inodes}`)
      .toSorted();

  const whole = [
    'config 4096 1',
    'index 4096 1',
    'layer 8192 1',
    'manifest 4096 1',
    // Two folders around the files of each, which overlayfs does not count.
    'snapshot:base 28192 9',
    'snapshot:top 18192 5',
  ];

  it('are its documents and layers in whole blocks, and the snapshots of its unpacked layers', async () => {
    expect(await list()).toEqual(whole);
    expect((await parts.list(signal)).get('image')?.map(({ store }) => store)).toEqual(
      expect.arrayContaining(['content', 'snapshot']),
    );
  });

  it('count what another snapshotter takes as that says it', async () => {
    snapshotter = 'native';
    blobs.set('config', { size: 1, labels: { [`${gc}snapshot.native`]: 'base', [`${gc}snapshot.overlayfs`]: 'top' } });
    expect((await list()).filter((part) => part.startsWith('snapshot:'))).toEqual(['snapshot:base 20000 7']);
  });

  it('are also blobs of other platforms that are here', async () => {
    blobs.set('manifest of arm', {
      size: 1,
      labels: { [`${gc}content.config`]: 'absent', [`${gc}content.l.0`]: 'arm' },
    });
    blobs.set('arm', { size: 1, labels: {} });
    expect(await list()).toEqual([...whole, 'arm 4096 1', 'manifest of arm 4096 1'].toSorted());
  });

  it('are only what is here', async () => {
    blobs.delete('layer');
    snapshots.delete('top');
    expect(await list()).toEqual(['config 4096 1', 'index 4096 1', 'manifest 4096 1']);
  });

  it('have the same key in images that share them', async () => {
    blobs.set('manifest 2', {
      size: 9,
      labels: { [`${gc}content.config`]: 'config 2', [`${gc}content.l.0`]: 'layer' },
    });
    blobs.set('config 2', { size: 9, labels: { [`${gc}snapshot.overlayfs`]: 'base' } });
    images.set('image 2', [record('other:1', 'manifest 2')]);
    const shared = (await list('image 2')).filter((part) => whole.includes(part));
    expect(shared).toEqual(['layer 8192 1', 'snapshot:base 28192 9']);
  });

  it('are asked for their usage once, and again when a snapshot comes back', async () => {
    await list();
    await list();
    expect(grpc.count('Snapshots/Usage')).toBe(2);
    snapshots.delete('top');
    await list();
    snapshots.set('top', 'base');
    expect(await list()).toEqual(whole);
    expect(grpc.count('Snapshots/Usage')).toBe(3);
  });

  it('leave out a snapshot that goes while they are listed', async () => {
    grpc.answers['Snapshots/Usage'] = new Failure('not_found', 'gone');
    expect((await list()).some((part) => part.startsWith('snapshot:'))).toBe(false);
  });
});
