/** The objects of a cluster in memory, as the port has them; see fake-cluster.ts. */

import { isDeepStrictEqual } from 'node:util';
import type { ClusterEvent, ConfigMapObject, LeaseRecord, ResolvedConfigMap } from '../../agent/cluster/cluster.ts';
import { type NodeState, standaloneNode } from '../../agent/core/node-state.ts';
import { resolvedConfigMaps } from '../../agent/core/resolved-config-maps.ts';

export interface FakeConfigMapOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** Epoch ms; default: now. */
  readonly createdAt?: number;
}

/** Without annotations: none. */
export type FakeLease = Omit<LeaseRecord, 'resourceVersion' | 'annotations'> &
  Partial<Pick<LeaseRecord, 'annotations'>>;

export class FakeApi {
  /** Oldest first. */
  readonly events: (ClusterEvent & { readonly node: string })[] = [];
  readonly #nodes = new Map<string, NodeState>();
  readonly #configMaps = new Map<string, ConfigMapObject>();
  readonly #leases = new Map<string, LeaseRecord>();
  readonly #resolved = new Map<string, ResolvedConfigMap>();
  readonly #watchers = new Set<() => void>();
  #revision = 0;

  /** The Node with these fields changed, made where there is none. */
  setNode(name: string, change: Partial<NodeState> = {}): void {
    const known = this.#nodes.get(name) ?? { ...standaloneNode(name, {}), uid: `uid-${this.next()}` };
    this.#nodes.set(name, { ...known, ...change });
    this.#tell();
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
    this.#tell();
  }

  node(name: string): NodeState | undefined {
    return this.#nodes.get(name);
  }

  /** `text` undefined: it lacks the key. One that is there keeps its uid, its age and, without options, its labels. */
  setConfigMap(name: string, text: string | undefined, options: FakeConfigMapOptions = {}): void {
    const known = this.#configMaps.get(name);
    this.#configMaps.set(name, {
      name,
      uid: known?.uid ?? `uid-${this.next()}`,
      createdAt: options.createdAt ?? known?.createdAt ?? Date.now(),
      labels: options.labels ?? known?.labels ?? {},
      text,
    });
    this.#tell();
  }

  removeConfigMap(name: string): void {
    this.#configMaps.delete(name);
    this.#tell();
  }

  /** By name. */
  configMaps(): readonly ConfigMapObject[] {
    return [...this.#configMaps.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  nodes(): readonly NodeState[] {
    return [...this.#nodes.values()];
  }

  /** As the manifests do it: all of them, empty. */
  createResolved(): void {
    for (const name of resolvedConfigMaps) this.setResolved(name, {});
  }

  /** Made where there is none. */
  setResolved(name: string, data: Readonly<Record<string, string>>): ResolvedConfigMap {
    const known = this.#resolved.get(name);
    if (known !== undefined && isDeepStrictEqual(known.data, data)) return known;
    const stored = { name, resourceVersion: this.next(), data };
    this.#resolved.set(name, stored);
    this.#tell();
    return stored;
  }

  removeResolved(name: string): void {
    this.#resolved.delete(name);
    this.#tell();
  }

  /** By name. */
  resolved(): readonly ResolvedConfigMap[] {
    return [...this.#resolved.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  leases(): readonly LeaseRecord[] {
    return [...this.#leases.values()];
  }

  lease(name: string): LeaseRecord | undefined {
    return this.#leases.get(name);
  }

  /** Stored as it is, with a new resourceVersion. */
  setLease(lease: FakeLease): LeaseRecord {
    const stored = { annotations: {}, ...lease, resourceVersion: this.next() };
    this.#leases.set(lease.name, stored);
    return stored;
  }

  removeLease(name: string): void {
    this.#leases.delete(name);
  }

  next(): string {
    this.#revision += 1;
    return String(this.#revision);
  }

  /** @returns ends it */
  subscribe(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  #tell(): void {
    for (const onChange of this.#watchers) onChange();
  }
}
