/**
 * The port to Kubernetes, as small as the agent's rights: its own Node, the ConfigMaps and Leases of its own namespace, Events.
 * Every method but `watch` rejects with a Failure: `network` and `timeout` (the API server does not answer), `tls`, `auth` (401; 403 with
 * detail `forbidden`), `not_found`, `rate_limited`, `other` (409 with detail `conflict`; 422 with detail `invalid`).
 */

import type { ClusterEvent } from '../core/node-event-text.ts';
import type { NodeStatusPatch } from '../core/node-report.ts';
import type { NodeState } from '../core/node-state.ts';

export type { ClusterEvent } from '../core/node-event-text.ts';
export type { NodeStatusPatch } from '../core/node-report.ts';

export interface ConfigMapObject {
  readonly name: string;
  readonly uid: string;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The value of `config.yaml`; undefined: there is no such key. */
  readonly text: string | undefined;
}

/** One of `stevedore-resolved-0…7`. */
export interface ResolvedConfigMap {
  readonly name: string;
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}

/** Of another node: what image sets select by, and what it runs. */
export interface ClusterNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A question to the API server on the agent's own rights (SelfSubjectAccessReview). */
export interface AccessQuestion {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  /** Undefined: not a resource of a namespace. */
  readonly namespace?: string;
  readonly name?: string;
}

export interface ClusterHandlers {
  /** On every change of what `NodeState` holds, and when it had to be listed again; undefined: there is no such Node (deleted, or not there yet). */
  readonly onNode: (node: NodeState | undefined) => void;
  /** All ConfigMaps of the namespace that may concern the agent (its own by name, teams' by label), whole, on every change of one of them. */
  readonly onConfigMaps: (configMaps: readonly ConfigMapObject[]) => void;
  /** Those of `stevedore-resolved-0…7` that are there, whole, on every change of one of them. Undefined: they are let go by. */
  readonly onResolved?: (configMaps: readonly ResolvedConfigMap[]) => void;
  /**
   * True when both watches are known to live; false with the reason when one of them broke or went silent. Repeated only when
   * it changes.
   */
  readonly onContact: (live: boolean, problem: string | undefined) => void;
}

export interface LeaseRecord {
  readonly name: string;
  readonly resourceVersion: string;
  /** Empty: nobody holds it. */
  readonly holder: string;
  readonly durationSeconds: number;
  /** Of its last holder, by that node's clock: for people; expiry is judged by the time since the record last changed here. */
  readonly renewedAt: number | undefined;
  /** Under `stevedore.dev/`, without that prefix. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Cluster {
  /**
   * Watches the Node and the namespace's ConfigMaps, lists them again when it must, and begins again with backoff after any error.
   * Resolves when the signal fires; never rejects for what a server does.
   */
  watch(handlers: ClusterHandlers, signal: AbortSignal): Promise<void>;
  /** Both as they are now, once. */
  read(signal: AbortSignal): Promise<{ readonly node: NodeState; readonly configMaps: readonly ConfigMapObject[] }>;

  /** One strategic merge patch on nodes/status: labels and conditions are merged by key there. `dryRun`: nothing is stored. */
  patchNodeStatus(patch: NodeStatusPatch, signal: AbortSignal, options?: { readonly dryRun?: boolean }): Promise<void>;
  /** Removes the taints with this key, guarded by their place in the list; reads again and retries when the list moved. */
  removeTaint(key: string, signal: AbortSignal): Promise<'removed' | 'absent'>;

  /** Leases of the namespace whose names begin with `prefix`. */
  listLeases(prefix: string, signal: AbortSignal): Promise<readonly LeaseRecord[]>;
  /** @throws Failure `not_found` */
  getLease(name: string, signal: AbortSignal): Promise<LeaseRecord>;
  /** @throws Failure detail `conflict` when it exists already */
  createLease(name: string, holder: string, durationSeconds: number, signal: AbortSignal): Promise<LeaseRecord>;
  /**
   * Takes, renews (same holder) or gives back (empty holder) a Lease; one that was deleted is made again. @throws Failure detail
   * `conflict` when somebody else changed it since `lease` was read. The annotations (without `stevedore.dev/`) replace those that it had; undefined:
   * those of `lease` stay.
   */
  updateLease(
    lease: LeaseRecord,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
    annotations?: Readonly<Record<string, string>>,
  ): Promise<LeaseRecord>;

  /** Replaces the data, and keeps the labels and annotations; never makes one. @throws Failure `not_found`; detail `conflict` when somebody else changed it since it was read */
  updateResolved(
    configMap: Pick<ResolvedConfigMap, 'name' | 'resourceVersion'>,
    data: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ResolvedConfigMap>;
  /** `stevedore-resolved-0…7`, those that are there. */
  readResolved(signal: AbortSignal): Promise<readonly ResolvedConfigMap[]>;
  /** All Nodes, metadata only. */
  listNodes(signal: AbortSignal): Promise<readonly ClusterNode[]>;
  /** Whether the agent itself may do this. */
  reviewAccess(
    question: AccessQuestion,
    signal: AbortSignal,
  ): Promise<{ readonly allowed: boolean; readonly reason: string }>;

  /** An Event on the own Node. */
  createEvent(event: ClusterEvent, signal: AbortSignal): Promise<void>;

  close(): Promise<void>;
}
