/** What the contract suite needs of whatever it runs on: the runtime, a registry that can misbehave, and hands on both. */

import { Credential } from '../../agent/core/credentials.ts';
import type { Runtime, RuntimeCapabilities, RuntimeKind } from '../../agent/runtime/runtime.ts';
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
  /** Docker refuses; containerd removes the names and keeps what the container stands on. */
  readonly removalInUse: 'removed' | 'in_use';
  /**
   * Docker with containerd's image store: an image's id is the digest of its manifest or index, an image has a digest name only in the
   * repository that it was pulled from first and none once its tag has moved, and part of an aborted pull may still be there.
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

export interface Subject {
  readonly runtime: Runtime;
  readonly expected: Expectations;
  readonly registry: ContractRegistry;
  /** Lets in only `rightCredential(host)`. */
  readonly privateRegistry: ContractRegistry;
  readonly containers: ContractContainers;
  /** Gives an image a further name behind the adapter's back, as an operator would: `docker tag`, `ctr images tag`. */
  tag(reference: string, name: string): Promise<void>;
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
