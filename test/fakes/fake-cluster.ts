/**
 * Kubernetes in memory. Several agents' clusters share one `FakeApi`:
 *
 *     const api = new FakeApi();
 *     api.setNode('n1', { labels: { gpu: 'yes' } });
 *     api.setConfigMap('stevedore', 'imageSets: []');
 *     const cluster = new FakeCluster('n1', { api });
 *     cluster.fail('patchNodeStatus', new Failure('auth', 'no', { detail: 'forbidden' }), 2);   // the next two
 *     cluster.away(new Failure('network', 'nobody answers'));                  // everything, until cluster.away(undefined)
 *     api.createResolved();                                                    // stevedore-resolved-0…7, empty
 *     api.node('n1')?.labels; api.events; api.lease('stevedore-pull-0'); api.resolved(); cluster.calls;
 */

import { once } from 'node:events';
import type {
  AccessQuestion,
  Cluster,
  ClusterEvent,
  ClusterHandlers,
  ClusterNode,
  ConfigMapObject,
  LeaseRecord,
  NodeStatusPatch,
  ResolvedConfigMap,
} from '../../agent/cluster/cluster.ts';
import { Failure } from '../../agent/core/failure.ts';
import type { NodeState } from '../../agent/core/node-state.ts';
import { isResolvedConfigMap } from '../../agent/core/resolved-config-maps.ts';
import { FakeApi } from './fake-api.ts';
import { toComparableNode, toConditions } from './fake-conditions.ts';

export { FakeApi } from './fake-api.ts';

/** A method that fails when it is told to. */
export type FakeMethod = Exclude<keyof Cluster, 'watch' | 'close'>;

export interface FakeClusterOptions {
  readonly api?: FakeApi;
  /** The agent's own ConfigMap; default `stevedore`. */
  readonly configMap?: string;
}

export class FakeCluster implements Cluster {
  readonly nodeName: string;
  readonly api: FakeApi;
  /** Every call, also those that failed, without `watch`. */
  readonly calls: FakeMethod[] = [];
  /** The patches that were asked for and not refused, dry runs left out. */
  readonly patches: NodeStatusPatch[] = [];
  isClosed = false;
  /** What the API server says that the agent may do. */
  access: (question: AccessQuestion) => { readonly allowed: boolean; readonly reason: string } = () => ({
    allowed: true,
    reason: '',
  });
  readonly #configMap: string;
  readonly #planned: { readonly method: FakeMethod; readonly failure: Failure }[] = [];
  #away: Failure | undefined;
  #watchers = new Set<() => void>();

  constructor(nodeName = 'node-1', { api = new FakeApi(), configMap = 'stevedore' }: FakeClusterOptions = {}) {
    this.nodeName = nodeName;
    this.api = api;
    this.#configMap = configMap;
  }

  /** The next `times` calls of the method are refused. */
  fail(method: FakeMethod, failure: Failure, times = 1): void {
    for (let i = 0; i < times; i += 1) this.#planned.push({ method, failure });
  }

  /** The API server is not there for this agent: every call fails, and the watch tells it and says nothing more. Undefined: it is back. */
  away(failure: Failure | undefined): void {
    this.#away = failure;
    for (const look of this.#watchers) look();
  }

  async watch(handlers: ClusterHandlers, signal: AbortSignal): Promise<void> {
    let told: { readonly node: string; readonly configMaps: string; readonly resolved: string } | undefined;
    let live: boolean | undefined;
    const { promise: crashed, reject } = Promise.withResolvers<never>();
    const look = (): void => {
      if (signal.aborted) return;
      try {
        const wasLive = live;
        live = this.#away === undefined;
        if (!live) {
          if (wasLive !== false) handlers.onContact(false, this.#away?.message);
          return;
        }
        const was = told;
        const node = this.api.node(this.nodeName);
        const configMaps = this.#configMaps();
        const resolved = this.api.resolved();
        const [mapsText, resolvedText] = [JSON.stringify(configMaps), JSON.stringify(resolved)];
        told = { node: toComparableNode(node), configMaps: mapsText, resolved: resolvedText };
        if (was?.node !== told.node) handlers.onNode(node);
        if (was?.configMaps !== told.configMaps) handlers.onConfigMaps(configMaps);
        if (was?.resolved !== told.resolved) handlers.onResolved?.(resolved);
        if (wasLive !== true) handlers.onContact(true, undefined);
      } catch (error) {
        reject(error);
      }
    };
    this.#watchers.add(look);
    const unsubscribe = this.api.subscribe(look);
    try {
      // Nothing comes before the caller has gone on, as with a real server.
      await Promise.resolve();
      look();
      if (!signal.aborted) await Promise.race([once(signal, 'abort'), crashed]);
    } finally {
      unsubscribe();
      this.#watchers.delete(look);
    }
  }

  async read(signal: AbortSignal): ReturnType<Cluster['read']> {
    await this.#called('read', signal);
    return { node: this.#node(), configMaps: this.#configMaps() };
  }

  async patchNodeStatus(
    patch: NodeStatusPatch,
    signal: AbortSignal,
    options: { readonly dryRun?: boolean } = {},
  ): Promise<void> {
    await this.#called('patchNodeStatus', signal);
    const node = this.#node();
    if (options.dryRun === true) return;
    this.patches.push(patch);
    const labels = Object.entries({ ...node.labels, ...patch.labels }).filter(
      (entry): entry is [string, string] => entry[1] !== null,
    );
    this.api.setNode(this.nodeName, {
      labels: Object.fromEntries(labels),
      conditions: toConditions(node.conditions, patch.condition),
    });
  }

  async removeTaint(key: string, signal: AbortSignal): Promise<'removed' | 'absent'> {
    await this.#called('removeTaint', signal);
    const { taints } = this.#node();
    const rest = taints.filter((taint) => taint.key !== key);
    if (rest.length === taints.length) return 'absent';
    this.api.setNode(this.nodeName, { taints: rest });
    return 'removed';
  }

  async listLeases(prefix: string, signal: AbortSignal): Promise<readonly LeaseRecord[]> {
    await this.#called('listLeases', signal);
    return this.api.leases().filter(({ name }) => name.startsWith(prefix));
  }

  async getLease(name: string, signal: AbortSignal): Promise<LeaseRecord> {
    await this.#called('getLease', signal);
    const lease = this.api.lease(name);
    if (lease === undefined) throw notFound(`leases "${name}" not found`);
    return lease;
  }

  async createLease(name: string, holder: string, durationSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    await this.#called('createLease', signal);
    if (this.api.lease(name) !== undefined) throw conflict(`leases "${name}" already exists`);
    return this.api.setLease({ name, holder, durationSeconds, renewedAt: Date.now() });
  }

  async updateLease(
    { name, resourceVersion, ...was }: LeaseRecord,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
    annotations = was.annotations,
  ): Promise<LeaseRecord> {
    await this.#called('updateLease', signal);
    const stored = this.api.lease(name);
    if (stored !== undefined && stored.resourceVersion !== resourceVersion)
      throw conflict(`leases "${name}" has been modified`);
    return this.api.setLease({ name, holder, durationSeconds, renewedAt: Date.now(), annotations });
  }

  async updateResolved(
    { name, resourceVersion }: Pick<ResolvedConfigMap, 'name' | 'resourceVersion'>,
    data: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ResolvedConfigMap> {
    await this.#called('updateResolved', signal);
    const stored = this.api.resolved().find((one) => one.name === name);
    if (stored === undefined) throw notFound(`configmaps "${name}" not found`);
    if (stored.resourceVersion !== resourceVersion) throw conflict(`configmaps "${name}" has been modified`);
    return this.api.setResolved(name, data);
  }

  async readResolved(signal: AbortSignal): Promise<readonly ResolvedConfigMap[]> {
    await this.#called('readResolved', signal);
    return this.api.resolved();
  }

  async listNodes(signal: AbortSignal): Promise<readonly ClusterNode[]> {
    await this.#called('listNodes', signal);
    return this.api.nodes().map(({ name, labels }) => ({ name, labels }));
  }

  async reviewAccess(question: AccessQuestion, signal: AbortSignal): ReturnType<Cluster['reviewAccess']> {
    await this.#called('reviewAccess', signal);
    return this.access(question);
  }

  async createEvent(event: ClusterEvent, signal: AbortSignal): Promise<void> {
    await this.#called('createEvent', signal);
    this.api.events.push({ ...event, node: this.nodeName });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Takes a turn of the event loop's queue, as any answer does. */
  async #called(method: FakeMethod, signal: AbortSignal): Promise<void> {
    this.calls.push(method);
    await Promise.resolve();
    signal.throwIfAborted();
    if (this.#away !== undefined) throw this.#away;
    const index = this.#planned.findIndex((planned) => planned.method === method);
    const [planned] = index < 0 ? [] : this.#planned.splice(index, 1);
    if (planned !== undefined) throw planned.failure;
  }

  #node(): NodeState {
    const node = this.api.node(this.nodeName);
    if (node === undefined) throw notFound(`nodes "${this.nodeName}" not found`);
    return node;
  }

  #configMaps(): readonly ConfigMapObject[] {
    return this.api
      .configMaps()
      .filter(({ name }) => !isResolvedConfigMap(name))
      .filter(({ name, labels }) => name === this.#configMap || labels['stevedore.dev/image-sets'] === 'true');
  }
}

function notFound(message: string): Failure {
  return new Failure('not_found', message);
}

function conflict(message: string): Failure {
  return new Failure('other', message, { detail: 'conflict' });
}
