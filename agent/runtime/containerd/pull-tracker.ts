/**
 * What is known of one image's blobs and layers while it is pulled. Pure state: `pull-progress.ts` feeds it with what containerd
 * says. Bytes count whoever fetches them: of a layer that another pull downloads, ours waits for the same ingest.
 */

import { toChainIds } from '../../core/layers.ts';
import type { ExpectedBlob, PullProgress } from '../runtime.ts';
import type { IngestStatus } from './containerd-protocol.ts';
import type { ImageDocument } from './manifest.ts';

interface Blob {
  readonly sizeBytes: number;
  offset: number;
  state: 'unseen' | 'arriving' | 'here';
}

export interface PullTracker {
  /** A manifest tells the blobs where nobody else did; a config tells the chain ids. */
  learn(digest: string, document: ImageDocument): void;
  /** True when an offset of ours moved. `gone` are blobs whose ingest ended: complete or given up. */
  observe(statuses: readonly IngestStatus[]): { readonly moved: boolean; readonly gone: readonly string[] };
  /** True the first time. */
  complete(digest: string): boolean;
  /** A layer that is unpacked counts as here, with or without its blob. True the first time. */
  completeLayer(chainId: string): boolean;
  /** Not here and not arriving, as far as seen: small blobs come between two looks. */
  unseen(): readonly string[];
  incomplete(): readonly string[];
  /** From the base up; empty until the config was read. */
  chainIds(): readonly string[];
  /** Manifest and config were read: nothing more to learn. */
  isDescribed(): boolean;
  /** The chain id that a snapshot's name or unpack key (`extract-… sha256:…`) stands for, if it is one of ours. */
  toChainId(nameOrKey: string): string | undefined;
  progress(): PullProgress;
}

export function createPullTracker(expected: readonly ExpectedBlob[] | undefined): PullTracker {
  const blobs = new Map<string, Blob>();
  let layers: readonly string[] | undefined;
  let diffIds: readonly string[] | undefined;
  let configDigest: string | undefined;
  let chain: ReadonlyMap<string, number> | undefined;

  function add({ digest, sizeBytes }: ExpectedBlob): void {
    if (!blobs.has(digest)) blobs.set(digest, { sizeBytes, offset: 0, state: 'unseen' });
  }
  for (const blob of expected ?? []) add(blob);

  function layerOf(chainId: string): string | undefined {
    const index = chain?.get(chainId);
    if (index === undefined) return undefined;
    const ordered = layers ?? [...blobs.keys()].filter((digest) => digest !== configDigest);
    return ordered.length === diffIds?.length ? ordered[index] : undefined;
  }

  function complete(digest: string): boolean {
    const blob = blobs.get(digest);
    if (blob === undefined || blob.state === 'here') return false;
    blob.state = 'here';
    blob.offset = blob.sizeBytes;
    return true;
  }

  return {
    learn(digest, document) {
      if (document.kind === 'manifest') {
        layers = document.layers.map((layer) => layer.digest);
        if (expected === undefined) for (const blob of [document.config, ...document.layers]) add(blob);
      } else if (document.kind === 'config') {
        configDigest = digest;
        diffIds = document.diffIds;
        chain = new Map(toChainIds(diffIds).map((chainId, index) => [chainId, index]));
      }
    },

    observe(statuses) {
      let moved = false;
      const arriving = new Set<string>();
      for (const status of statuses) {
        const digest = status.expected || /sha256:[0-9a-f]{64}$/.exec(status.ref)?.[0] || '';
        const blob = blobs.get(digest);
        if (blob === undefined || blob.state === 'here') continue;
        const offset = Math.min(Number(status.offset), blob.sizeBytes);
        if (offset !== blob.offset || blob.state === 'unseen') moved = true;
        blob.offset = offset;
        blob.state = 'arriving';
        arriving.add(digest);
      }
      const gone: string[] = [];
      for (const [digest, blob] of blobs) {
        if (blob.state !== 'arriving' || arriving.has(digest)) continue;
        blob.state = 'unseen';
        gone.push(digest);
      }
      return { moved, gone };
    },

    complete,
    completeLayer(chainId) {
      const digest = layerOf(chainId);
      return digest !== undefined && complete(digest);
    },
    unseen: () => [...blobs].filter(([, blob]) => blob.state === 'unseen').map(([digest]) => digest),
    incomplete: () => [...blobs].filter(([, blob]) => blob.state !== 'here').map(([digest]) => digest),
    chainIds: () => [...(chain?.keys() ?? [])],
    isDescribed: () => layers !== undefined && chain !== undefined,
    toChainId(nameOrKey) {
      const chainId = nameOrKey.slice(nameOrKey.lastIndexOf(' ') + 1);
      return chain?.has(chainId) === true ? chainId : undefined;
    },
    progress() {
      if (blobs.size === 0) return { downloadedBytes: 0, totalBytes: undefined };
      let downloadedBytes = 0;
      let totalBytes = 0;
      for (const blob of blobs.values()) {
        downloadedBytes += blob.offset;
        totalBytes += blob.sizeBytes;
      }
      return { downloadedBytes, totalBytes };
    },
  };
}
