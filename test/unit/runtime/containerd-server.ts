/**
 * containerd's image, content, snapshot, container and lease services in memory, with a collector that follows what the real one (1.6 to 2.4)
 * follows: records, leases that have not expired, containers, and labels of blobs, records and snapshots.
 */

import { Failure } from '../../../agent/core/failure.ts';
import type { LeaseResource, Target } from '../../../agent/runtime/containerd/containerd-protocol.ts';
import { toContentReferences, toSnapshotLinks } from '../../../agent/runtime/containerd/document-links.ts';
import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';
import { grpcCode } from '../../../agent/runtime/grpc/status.ts';

type Labels = Record<string, string>;

export interface StoredSnapshot {
  readonly parent: string;
  /** 2 active, 3 committed. */
  readonly kind: number;
  labels: Labels;
}

export interface StoredContainer {
  readonly image: string;
  readonly snapshot_key: string;
}

interface Request {
  readonly name: string;
  readonly digest: string;
  readonly key: string;
  readonly id: string;
  readonly ref: string;
  readonly sync: boolean;
  readonly target: Target;
  readonly labels: Labels;
  readonly resource: LeaseResource;
  readonly image: { readonly name: string; readonly labels: Labels; readonly target: Target };
  readonly info: { readonly name: string; readonly labels: Labels };
  readonly update_mask: { readonly paths: readonly string[] };
  readonly filters: readonly string[];
}

export const snapshotter = 'overlayfs';

function refuse(code: keyof typeof grpcCode, what: string): Failure {
  return new Failure(code === 'notFound' ? 'not_found' : 'runtime', what, {
    cause: { code: grpcCode[code], details: what },
  });
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw refuse('notFound', `${what}: not found`);
  return value;
}

export class ContainerdServer {
  readonly records = new Map<string, { readonly labels: Labels; readonly target: Target }>();
  readonly blobs = new Map<string, { readonly size: string; readonly labels: Labels; readonly bytes?: Buffer }>();
  readonly snapshots = new Map<string, StoredSnapshot>();
  readonly containers = new Map<string, StoredContainer>();
  readonly leases = new Map<string, { readonly labels: Labels; readonly resources: LeaseResource[] }>();
  readonly ingests = new Map<string, { readonly offset: string; readonly updatedAt: number }>();
  /** Blobs of another namespace. */
  readonly elsewhere = new Set<string>();
  /** The CRI's containers, with their images' ids. */
  readonly kubelets = new Map<string, string>();
  readonly calls: string[] = [];
  /** The collector runs after whatever deletes; else only where it is waited for. */
  eager = false;
  /** As containerd 2.0 and later compare them before they delete a record. */
  comparesTargets = true;
  /** Called before each call; throws for it. */
  onCall: (call: string, index: number) => void = () => undefined;
  now: () => number = Date.now;

  readonly client: GrpcClient = {
    unary: async (method, request, signal, options) => {
      signal.throwIfAborted();
      const service = method.service.slice(method.service.lastIndexOf('.') + 1);
      const call = `${service}.${method.name}`;
      await Promise.resolve();
      this.onCall(call, this.calls.length);
      this.calls.push(call);
      const namespace = options?.headers?.['containerd-namespace'];
      return this.#answer(call, request as Request, namespace) as never;
    },
    stream: (method, request) => this.#stream(method.service, request as Request) as never,
    decode: () => undefined,
    close: () => undefined,
  };

  #answer(call: string, request: Request, namespace: string | undefined): object {
    const { name, digest, key, id } = request;
    switch (call) {
      case 'Images.List':
        return { images: [...this.records].map(([recordName, record]) => ({ name: recordName, ...record })) };
      case 'Images.Get':
        return { image: { name, ...found(this.records.get(name), name) } };
      case 'Images.Create':
        if (this.records.has(request.image.name)) throw refuse('alreadyExists', 'already exists');
        this.records.set(request.image.name, request.image);
        return {};
      case 'Images.Update': {
        const { image, update_mask } = request;
        const changed = { ...found(this.records.get(image.name), image.name).labels };
        relabel(changed, image.labels, update_mask.paths);
        this.records.set(image.name, { labels: changed, target: image.target });
        return {};
      }
      case 'Images.Delete':
        if (found(this.records.get(name), name).target.digest !== request.target.digest && this.comparesTargets) {
          throw refuse('notFound', name);
        }
        this.records.delete(name);
        return this.#deleted(request.sync);
      case 'Content.Info':
        if (namespace === 'elsewhere') return { info: found(this.elsewhere.has(digest) ? {} : undefined, digest) };
        return { info: { digest, ...found(this.blobs.get(digest), digest) } };
      case 'Content.ListStatuses':
        return {
          statuses: [...this.ingests].map(([ref, ingest]) => ({
            ref,
            offset: ingest.offset,
            updated_at: toTime(ingest.updatedAt),
          })),
        };
      case 'Content.Abort':
        found(this.ingests.get(request.ref), request.ref);
        this.ingests.delete(request.ref);
        return {};
      case 'Snapshots.Stat':
        return { info: { name: key, ...found(this.snapshots.get(key), key) } };
      case 'Snapshots.Usage':
        found(this.snapshots.get(key), key);
        return { size: '4096', inodes: '2' };
      case 'Snapshots.Update':
        relabel(
          found(this.snapshots.get(request.info.name), request.info.name).labels,
          request.info.labels,
          request.update_mask.paths,
        );
        return {};
      case 'Snapshots.Remove':
        found(this.snapshots.get(key), key);
        if ([...this.snapshots.values()].some(({ parent }) => parent === key))
          throw refuse('failedPrecondition', 'has children');
        this.snapshots.delete(key);
        return {};
      case 'Containers.List':
        return {
          containers: [...this.containers].map(([containerId, made]) => ({ id: containerId, snapshotter, ...made })),
        };
      case 'RuntimeService.ListContainers':
        return {
          containers: [...this.kubelets].map(([containerId, image]) => ({
            id: containerId,
            image_id: '',
            image_ref: image,
            image: null,
          })),
        };
      case 'Leases.Create':
        if (this.leases.has(id)) throw refuse('alreadyExists', 'already exists');
        this.leases.set(id, { labels: request.labels, resources: [] });
        return {};
      case 'Leases.AddResource':
        found(this.leases.get(id), id).resources.push(request.resource);
        return {};
      case 'Leases.ListResources':
        return { resources: found(this.leases.get(id), id).resources };
      case 'Leases.Delete':
        found(this.leases.get(id), id);
        this.leases.delete(id);
        return this.#deleted(request.sync);
      case 'Leases.List':
        return {
          leases: [...this.leases]
            .filter(([, { labels }]) => hasLabel(labels, request.filters))
            .map(([leaseId, { labels }]) => ({ id: leaseId, labels })),
        };
      case 'Namespaces.List':
        return { namespaces: [{ name: 'k8s.io' }, { name: 'elsewhere' }] };
      default:
        throw new Error(`${call} is not played`);
    }
  }

  async *#stream(service: string, { digest, filters }: Request): AsyncGenerator<object> {
    await Promise.resolve();
    this.onCall(service, this.calls.length);
    this.calls.push(service);
    if (service.endsWith('Snapshots')) {
      const parent = /^parent~=(".*")$/.exec(filters[0] ?? '')?.[1];
      const matches = parent === undefined ? /^/ : new RegExp(JSON.parse(parent) as string);
      const listed = [...this.snapshots].filter(([, snapshot]) => matches.test(snapshot.parent));
      const labelled = parent === undefined ? listed.filter(([, { labels }]) => hasLabel(labels, filters)) : listed;
      yield { info: labelled.map(([name, snapshot]) => ({ name, ...snapshot })) };
    } else if (digest !== undefined) {
      yield { data: found(this.blobs.get(digest)?.bytes, digest) };
    } else {
      yield { info: [...this.blobs].map(([blob, rest]) => ({ digest: blob, ...rest })) };
    }
  }

  #deleted(sync: boolean): object {
    if (sync || this.eager) this.collect();
    return {};
  }

  collect(): void {
    const open: string[] = [];
    const refer = (labels: Labels): void => {
      open.push(...toContentReferences(labels), ...toSnapshotLinks(labels).map(({ key }) => key));
    };
    for (const [id, { labels, resources }] of this.leases) {
      if (Date.parse(labels['containerd.io/gc.expire'] ?? '') < this.now()) this.leases.delete(id);
      else open.push(...resources.map((resource) => resource.id));
    }
    for (const { labels, target } of this.records.values()) {
      open.push(target.digest);
      refer(labels);
    }
    for (const { snapshot_key } of this.containers.values()) open.push(snapshot_key);
    for (const [key, { labels }] of this.snapshots) if (labels['containerd.io/gc.root'] !== undefined) open.push(key);
    const reached = new Set<string>();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      const blob = this.blobs.get(next);
      if (blob !== undefined) refer(blob.labels);
      const snapshot = this.snapshots.get(next);
      if (snapshot === undefined) continue;
      open.push(snapshot.parent);
      refer(snapshot.labels);
    }
    for (const digest of this.blobs.keys()) if (!reached.has(digest)) this.blobs.delete(digest);
    for (const key of this.snapshots.keys()) if (!reached.has(key)) this.snapshots.delete(key);
  }
}

/** Of the labels that the mask names: what is not given goes. */
function relabel(labels: Labels, given: Labels, paths: readonly string[]): void {
  for (const path of paths) {
    const key = path.slice('labels.'.length);
    const value = given[key];
    if (value === undefined) delete labels[key];
    else labels[key] = value;
  }
}

function hasLabel(labels: Labels, filters: readonly string[]): boolean {
  return filters.every((filter) => labels[/^labels\."(.*)"$/.exec(filter)?.[1] ?? ''] !== undefined);
}

function toTime(ms: number): { seconds: string; nanos: number } {
  return { seconds: String(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 };
}
