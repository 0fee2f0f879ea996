import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/runtime/containerd/containerd-protocol.ts';
import {
  groupRecords,
  type StoreView,
  toRuntimeImages,
  toTargets,
} from '../../../agent/runtime/containerd/image-list.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [config, manifest, base, top, otherManifest] = ['a', 'b', 'd', 'e', 'f'].map(id) as [
  string,
  string,
  string,
  string,
  string,
];

const record = (name: string, digest: string, labels: Record<string, string> = {}): ImageRecord => ({
  name,
  labels,
  target: { digest },
});

/** As the CRI stores an image that was pulled by tag: tag, digest, and the config digest. */
const records = [
  record('docker.io/library/app:1', manifest),
  record(`docker.io/library/app@${manifest}`, manifest),
  record(config, manifest),
];

const view: StoreView = {
  resolved: new Map([[manifest, { imageId: config, documents: [manifest, config], topChainId: top }]]),
  snapshots: new Map([
    [base, ''],
    [top, base],
  ]),
  sizes: new Map([[config, 1_004_597]]),
};

const list = (all: readonly ImageRecord[], seen: StoreView) =>
  toRuntimeImages(groupRecords(all, toTargets(all), seen.resolved), seen);

describe("containerd's image records", () => {
  it('that belong together are one image with its names, the size that the CRI gives it', () => {
    expect(list(records, view)).toEqual([
      {
        id: config,
        tags: ['docker.io/library/app:1'],
        digests: [`docker.io/library/app@${manifest}`],
        sizeBytes: 1_004_597,
        pinnedNames: [],
        pinnedByOthers: false,
        whole: true,
      },
    ]);
  });

  const kubelet = 'io.cri-containerd.pinned';
  const ours = 'stevedore.dev/pinned';
  const second = 'docker.io/library/app:2';

  it.each([
    ['both labels are ours', { [kubelet]: 'pinned', [ours]: 'true' }, [second], false],
    ["the kubelet's label alone is somebody else's", { [kubelet]: 'pinned' }, [], true],
    ['a value of their own is their wish too', { [kubelet]: 'yes', [ours]: 'true' }, [], true],
    ['an empty value is no pin', { [kubelet]: '', [ours]: 'true' }, [], false],
    ['our label alone is what is left of a pin', { [ours]: 'true' }, [], false],
  ])('are pinned by the labels of any name: %s', (_what, labels, pinnedNames, pinnedByOthers) => {
    expect(list([...records, record(second, manifest, labels)], view)).toMatchObject([{ pinnedNames, pinnedByOthers }]);
  });

  it('that the CRI does not know have no size', () => {
    expect(list(records, { ...view, sizes: new Map() })[0]).toMatchObject({ sizeBytes: 0, whole: true });
  });

  it.each([
    ['the manifest or config', { ...view, resolved: new Map() }],
    ['the top snapshot', { ...view, snapshots: new Map([[base, '']]) }],
    ['a snapshot below', { ...view, snapshots: new Map([[top, base]]) }],
  ])('keep id and names but are not whole without %s', (_part, broken) => {
    expect(list(records, broken)).toMatchObject([{ id: config, tags: ['docker.io/library/app:1'], whole: false }]);
  });

  it('of two manifests with one config are one image; a name whose manifest is gone is no name of it', () => {
    const twins = [
      record('docker.io/library/app:gone', otherManifest),
      record(config, otherManifest),
      ...records.slice(0, 2),
    ];
    expect(list(twins, view)).toMatchObject([{ id: config, tags: ['docker.io/library/app:1'], whole: true }]);
  });

  it('without layers are whole', () => {
    const resolved = new Map([[manifest, { imageId: config, documents: [manifest, config], topChainId: undefined }]]);
    expect(list(records, { ...view, resolved })[0]).toMatchObject({ whole: true });
  });
});
