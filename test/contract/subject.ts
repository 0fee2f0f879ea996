/** What the contract suite needs of whatever it runs on: the runtime, a registry that can misbehave, and hands on both. */

import { Credential } from '../../agent/core/credentials.ts';
import type { PartStore } from '../../agent/core/image-parts.ts';
import type { LeftoverKind, Runtime, RuntimeCapabilities, RuntimeKind } from '../../agent/runtime/runtime.ts';
import type { BuiltImage, BuiltIndex } from '../harness/images.ts';

export interface ContractRegistry {
  /** `127.0.0.1:PORT` or the like. */
  readonly host: string;
  push(repository: string, tag: string, image: BuiltImage | BuiltIndex): Promise<void>;
  /** All blobs together come no faster than this; undefined: at full speed. */
  throttle(bytesPerSecond: number | undefined): void;
  /** Every manifest request gets this status; undefined: the truth. */
  answer(status: number | undefined): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Bytes sent of a blob, all requests together. */
  bytesOf(digest: string): number;
  bytesSent(): number;
}

/** What differs between runtimes by design; everything else must hold for all. */
export interface Expectations {
  readonly kind: RuntimeKind;
  readonly capabilities: RuntimeCapabilities;
  /** What `listLayers` can know. */
  readonly layers: { readonly chainIds: boolean; readonly blobs: boolean };
  /** A part missing under an image shows as `whole: false`. */
  readonly seesDamage: boolean;
  /** Docker tells of a removed name only the image id. */
  readonly tellsRemovedNames: boolean;
  /** Docker refuses, and the containerd adapter looks; a plain CRI runtime takes the names from under the container. */
  readonly removalInUse: 'removed' | 'in_use';
  /** Where the parts of an image lie. Only `whole`, each image one part: images share none. */
  readonly parts: { readonly stores: readonly PartStore[]; readonly whole: boolean };
  /** When a container was started; containerd does not keep that for containers that the CRI does not know. */
  readonly tellsStart: boolean;
  /** What the caller wrote down of a removal helps to undo it; containerd remembers by itself, plain CRI cannot give names. */
  readonly undoesBegun: boolean;
  /**
   * Docker with containerd's image store: an image's id is the digest of its manifest or index, an image has a digest name only in the
   * repository that it was pulled from first and none once its tag has moved, part of an aborted pull may still be there, and a layer's
   * bytes are estimated for each image that has it.
   */
  readonly containerdImageStore?: boolean;
}

export interface ContractContainers {
  /** All take a normalised reference that is present; each gives the container's id. */
  create(reference: string): Promise<string>;
  run(reference: string): Promise<string>;
  /** Ends the process; the container stays. */
  stop(id: string): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface Leftovers {
  /** Leases of ours. */
  readonly leases: readonly string[];
  /** Downloads that nobody works on. */
  readonly ingests: readonly string[];
}

/** Something made by hand that nothing uses. */
export interface MadeLeftover {
  readonly kind: LeftoverKind;
  /** As the runtime calls it: the port's id, or its name. */
  readonly name: string;
}

export interface Subject {
  readonly runtime: Runtime;
  readonly expected: Expectations;
  readonly registry: ContractRegistry;
  /** Lets in only `rightCredential(host)`. */
  readonly privateRegistry: ContractRegistry;
  readonly containers: ContractContainers;
  /** Gives an image a further name behind the adapter's back, as an operator would: `docker tag`, `ctr images tag`. */
  tag(reference: string, name: string): Promise<void>;
  /** Takes one name of an image away behind the adapter's back: `docker rmi`, `ctr images rm`. */
  untag(name: string): Promise<void>;
  /** Pins a name as somebody else would; undefined where the runtime has no pins or does not tell of them. */
  pinByOther: ((reference: string) => Promise<void>) | undefined;
  /** The image that the runtime's sandboxes run; it is there from the start. */
  readonly sandboxImage: string;
  /** Something unused of each kind of leftover that the runtime can have and a test can make. */
  makeLeftovers(): Promise<readonly MadeLeftover[]>;
  /** By when a runtime that was told to stop has stopped asking the registry. */
  readonly settleMs: number;
  leftovers(): Promise<Leftovers>;
  /** Takes a part of a present image away under the runtime; undefined where it cannot be done. */
  damage: ((reference: string, image: BuiltImage, part: 'config' | 'layer') => Promise<void>) | undefined;
  stopRuntime(): Promise<void>;
  startRuntime(): Promise<void>;
  close(): Promise<void>;
}

const username = 'robot$prefetch';
const password = 'correct horse battery staple';

export const login = { username, password } as const;

export function rightCredential(host: string): Credential {
  return new Credential(host, username, password);
}

export function wrongCredential(host: string): Credential {
  return new Credential(host, username, 'not the password');
}
