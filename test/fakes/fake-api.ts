/** The objects of a cluster in memory, as the port has them; see fake-cluster.ts. */

import type { ClusterEvent, ConfigMapObject, LeaseRecord } from '../../agent/cluster/cluster.ts';
import { type NodeState, standaloneNode } from '../../agent/core/node-state.ts';

export interface FakeConfigMapOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** Epoch ms; default: now. */
  readonly createdAt?: number;
}

export class FakeApi {
  /** Oldest first. */
  readonly events: (ClusterEvent & { readonly node: string })[] = [];
  readonly #nodes = new Map<string, NodeState>();
  readonly #configMaps = new Map<string, ConfigMapObject>();
  readonly #leases = new Map<string, LeaseRecord>();
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

  leases(): readonly LeaseRecord[] {
    return [...this.#leases.values()];
  }

  lease(name: string): LeaseRecord | undefined {
    return this.#leases.get(name);
  }

  /** Stored as it is, with a new resourceVersion. */
  setLease(lease: Omit<LeaseRecord, 'resourceVersion'>): LeaseRecord {
    const stored = { ...lease, resourceVersion: this.next() };
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
