/** A real containerd with many tiny images, and an adapter's removal on it whose every call can be seen and acted upon. */

import { createImageRemoval, type ImageRemoval } from '../../agent/runtime/containerd/image-removal.ts';
import {
  containerdPackages,
  content,
  images,
  leases,
  snapshots,
} from '../../agent/runtime/containerd/containerd-protocol.ts';
import { createImageStore } from '../../agent/runtime/containerd/store.ts';
import { cri, criPackage } from '../../agent/runtime/cri/cri-protocol.ts';
import { createGrpcClient, type GrpcClient } from '../../agent/runtime/grpc/client.ts';
import { mergePackages } from '../../agent/runtime/grpc/descriptor.ts';
import { toChainIds } from '../../agent/core/layers.ts';
import { type Containerd, pauseImage, startContainerd } from '../harness/containerd.ts';
import { type BuiltImage, buildImage, buildLayer, busyboxImage, mediaTypes } from '../harness/images.ts';
import { runTool } from '../harness/process.ts';
import { type TarEntry, toTar } from '../harness/tar.ts';
import type { RaceImage } from './race-containers.ts';

export interface RaceNode {
  readonly containerd: Containerd;
  readonly client: GrpcClient;
  /** New ones, each with two tags, a digest name and the CRI's own name. */
  load(count: number): Promise<RaceImage[]>;
  /** Which of the image's names are there, the CRI's own among them. */
  namesOf(image: RaceImage): Promise<string[]>;
  /** What is missing of what the image consists of. */
  missingOf(image: RaceImage): Promise<string[]>;
  /** Waits until the CRI has learned of all the image's names. @throws Error after 30 s */
  untilKnown(image: RaceImage): Promise<void>;
  /** Leases of ours, and a tie that was left on the image's layers. */
  tracesOf(image: RaceImage): Promise<string[]>;
  remove(): Promise<void>;
}

export function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

export function connect(endpoint: string): GrpcClient {
  const headers = { 'containerd-namespace': 'k8s.io' };
  return createGrpcClient(endpoint, mergePackages([criPackage, containerdPackages]), headers);
}

/** As the containerd adapter makes it. */
export function removalOn(client: GrpcClient): ImageRemoval {
  const snapshotterOf = (): Promise<string> => Promise.resolve('overlayfs');
  return createImageRemoval(client, createImageStore(client, snapshotterOf), snapshotterOf);
}

/** @param bin folder of another version's files */
export async function startRaceNode(bin?: string): Promise<RaceNode> {
  const containerd = await startContainerd(bin === undefined ? {} : { bin });
  const client = connect(containerd.endpoint);
  let loaded = 0;

  async function exists(call: Promise<unknown>): Promise<boolean> {
    return await call.then(
      () => true,
      () => false,
    );
  }

  async function addDigestName(image: RaceImage, name: string): Promise<void> {
    const found = await client.unary(images.get, { name: image.names[0] ?? '' }, soon());
    if (found.image.target === null) throw new Error(`${image.names[0]} has no target`);
    await client.unary(
      images.create,
      { image: { name, labels: found.image.labels, target: found.image.target } },
      soon(),
    );
  }

  /** The CRI learns of images by events, gives each a name after its id, and marks all names as its own. */
  async function settle(ids: readonly string[]): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const { images: listed } = await client.unary(cri.listImages, {}, soon());
      const known = new Map(listed.map((image) => [image.id, image.repo_tags.length + image.repo_digests.length]));
      if (ids.every((id) => known.get(id) === 3)) return;
      if (performance.now() > deadline) throw new Error('the CRI did not learn of all images within 30 s');
    }
  }

  await containerd.load(busyboxImage(), pauseImage);
  return {
    containerd,
    client,

    async load(count) {
      const built = Array.from({ length: count }, () => {
        loaded += 1;
        const image = buildImage({ layers: [buildLayer({ seed: `race ${loaded}`, sizeBytes: 100 })] });
        return { image, name: `race.test/app-${loaded}` };
      });
      const input = toArchive(
        built.flatMap(({ image, name }) => [
          { image, name: `${name}:1` },
          { image, name: `${name}:2` },
        ]),
      );
      const program = bin === undefined ? 'ctr' : `${bin}/ctr`;
      await runTool(program, ['--address', containerd.socket, '--namespace', 'k8s.io', 'images', 'import', '-'], {
        input,
      });
      const result: RaceImage[] = [];
      for (const { image, name } of built) {
        const digestName = `${name}@${image.manifestDigest}`;
        const names = [`${name}:1`, `${name}:2`, digestName];
        const made: RaceImage = {
          id: image.configDigest,
          names,
          manifestDigest: image.manifestDigest,
          blobs: [image.manifestDigest, image.configDigest, ...image.layers.map(({ digest }) => digest)],
          topChainId: toChainIds(image.layers.map(({ diffId }) => diffId)).at(-1) ?? '',
        };
        await addDigestName(made, digestName);
        result.push(made);
      }
      await settle(result.map(({ id }) => id));
      return result;
    },

    untilKnown: ({ id }) => settle([id]),

    async namesOf(image) {
      const all = [...image.names, image.id];
      const there = await Promise.all(all.map((name) => exists(client.unary(images.get, { name }, soon()))));
      return all.filter((_, index) => there[index]);
    },

    async missingOf(image) {
      const top = { snapshotter: 'overlayfs', key: image.topChainId };
      const checks = [
        ...image.blobs.map((digest) => ({ what: digest, call: client.unary(content.info, { digest }, soon()) })),
        { what: `snapshot ${image.topChainId}`, call: client.unary(snapshots.stat, top, soon()) },
      ];
      const there = await Promise.all(checks.map(({ call }) => exists(call)));
      return checks.filter((_, index) => !there[index]).map(({ what }) => what);
    },

    async tracesOf(image) {
      const { leases: all } = await client.unary(leases.list, { filters: [] }, soon());
      const tied: string[] = [];
      const filters = [`name==${JSON.stringify(image.topChainId)},labels."containerd.io/gc.ref.content.stevedore.0"`];
      for await (const { info } of client.stream(snapshots.list, { snapshotter: 'overlayfs', filters }, soon()))
        tied.push(...info.map(({ name }) => `tied ${name}`));
      return [...all.map(({ id }) => id).filter((id) => id.startsWith('stevedore-')), ...tied];
    },

    async remove() {
      client.close();
      await containerd.remove();
    },
  };
}

/** One OCI layout for all of them. */
function toArchive(named: readonly { readonly image: BuiltImage; readonly name: string }[]): Buffer {
  const blobs = new Map<string, Buffer>();
  for (const { image } of named) {
    blobs.set(image.configDigest, image.config);
    blobs.set(image.manifestDigest, image.manifest);
    for (const { digest, blob } of image.layers) blobs.set(digest, blob);
  }
  const manifests = named.map(({ image, name }) => ({
    mediaType: mediaTypes.manifest,
    digest: image.manifestDigest,
    size: image.manifest.length,
    annotations: { 'io.containerd.image.name': name },
  }));
  return toTar([
    { kind: 'file', path: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { kind: 'file', path: 'index.json', content: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })) },
    { kind: 'folder', path: 'blobs' },
    { kind: 'folder', path: 'blobs/sha256' },
    ...[...blobs].map(
      ([digest, content]): TarEntry => ({ kind: 'file', path: `blobs/${digest.replace(':', '/')}`, content }),
    ),
  ]);
}
