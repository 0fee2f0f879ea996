/** Where runtimes differ: what each kind calls itself, declares and keeps. */

import type { RuntimeKind } from '../../agent/runtime/runtime.ts';

const none = { events: false, progress: false, resume: false, pin: false, alias: false, exactSizes: false };

export const fakeKinds = {
  containerd: {
    info: { name: 'containerd', version: '1.6.20', imageStore: 'containerd', snapshotter: 'overlayfs' },
    capabilities: { events: true, progress: true, resume: true, pin: true, alias: true, exactSizes: true },
    store: {
      sizes: 'compressed',
      parts: 'exact',
      listsBlobs: true,
      listsChainIds: true,
      seesBroken: true,
      knowsPins: true,
    },
    refusesInUse: true,
    tellsRemovedNames: true,
  },
  docker: {
    info: { name: 'docker', version: '20.10.24', imageStore: 'graphdriver', snapshotter: 'overlay2' },
    capabilities: { ...none, events: true, progress: true, alias: true },
    store: {
      sizes: 'unpacked',
      parts: 'layers',
      listsBlobs: false,
      listsChainIds: true,
      seesBroken: false,
      knowsPins: false,
    },
    refusesInUse: true,
    /** Its event carries the image id as name. */
    tellsRemovedNames: false,
  },
  cri: {
    info: { name: 'cri-o', version: '1.30.0', imageStore: 'other', snapshotter: 'overlay' },
    capabilities: none,
    store: {
      sizes: 'compressed',
      parts: 'whole',
      listsBlobs: false,
      listsChainIds: false,
      seesBroken: false,
      knowsPins: false,
    },
    refusesInUse: false,
    tellsRemovedNames: true,
  },
} as const satisfies Record<RuntimeKind, unknown>;
