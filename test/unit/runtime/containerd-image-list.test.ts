import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/runtime/containerd/containerd-protocol.ts';
import { type StoreView, toRuntimeImages } from '../../../agent/runtime/containerd/image-list.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [config, manifest, layer, base, top, otherManifest] = ['a', 'b', 'c', 'd', 'e', 'f'].map(id) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

const record = (name: string, digest: string, labels: Record<string, string> = {}): ImageRecord => ({
  name,
  labels,
  target: { media_type: '', digest, size: '1' },
});

/** As the CRI stores an image that was pulled by tag: tag, digest, and the config digest. */
const records = [
  record('docker.io/library/app:1', manifest),
  record(`docker.io/library/app@${manifest}`, manifest),
  record(config, manifest),
];

const view: StoreView = {
  resolved: new Map([[manifest, { imageId: config, documents: [manifest, config], layers: [layer], topChainId: top }]]),
  blobs: new Map([
    [manifest, 500],
    [config, 4097],
    [layer, 1_000_000],
  ]),
  snapshots: new Map([
    [base, ''],
    [top, base],
  ]),
  usage: new Map([
    [base, 40_960],
    [top, 8_192],
  ]),
};

describe("containerd's image records", () => {
  it('that belong together are one image with its names, its size on disk in whole blocks', () => {
    expect(toRuntimeImages(records, view)).toEqual([
      {
        id: config,
        tags: ['docker.io/library/app:1'],
        digests: [`docker.io/library/app@${manifest}`],
        sizeBytes: 4_096 + 8_192 + 1_003_520 + 40_960 + 8_192,
        pinned: false,
        whole: true,
      },
    ]);
  });

  it('with the pin label on any name are pinned', () => {
    const pinned = [...records, record('docker.io/library/app:2', manifest, { 'io.cri-containerd.pinned': 'pinned' })];
    expect(toRuntimeImages(pinned, view)[0]).toMatchObject({ pinned: true });
    const other = [record('docker.io/library/app:2', manifest, { 'io.cri-containerd.pinned': '' })];
    expect(toRuntimeImages(other, view)[0]).toMatchObject({ pinned: false });
  });

  it('are whole without compressed layers (discard_unpacked_layers)', () => {
    const blobs = new Map(view.blobs);
    blobs.delete(layer);
    expect(toRuntimeImages(records, { ...view, blobs })[0]).toMatchObject({ whole: true });
  });

  it.each([
    ['the manifest or config', { ...view, resolved: new Map() }],
    ['the top snapshot', { ...view, snapshots: new Map([[base, '']]) }],
    ['a snapshot below', { ...view, snapshots: new Map([[top, base]]) }],
  ])('keep id and names but are not whole without %s', (_part, broken) => {
    expect(toRuntimeImages(records, broken)).toMatchObject([
      { id: config, tags: ['docker.io/library/app:1'], whole: false },
    ]);
  });

  it('of two manifests with one config are one image; a name whose manifest is gone is no name of it', () => {
    const twins = [
      record('docker.io/library/app:gone', otherManifest),
      record(config, otherManifest),
      ...records.slice(0, 2),
    ];
    expect(toRuntimeImages(twins, view)).toMatchObject([
      { id: config, tags: ['docker.io/library/app:1'], whole: true },
    ]);
  });

  it('without layers are whole', () => {
    const resolved = new Map([
      [manifest, { imageId: config, documents: [manifest, config], layers: [], topChainId: undefined }],
    ]);
    expect(toRuntimeImages(records, { ...view, resolved })[0]).toMatchObject({ whole: true });
  });
});
