/** The calls of containerd's own services and what they answer, in the words of their descriptors. */

import { grpcMethod, type Timestamp } from '../grpc/descriptor.ts';

export { containerdPackages } from './containerd-descriptor.ts';

export interface Target {
  readonly media_type: string;
  readonly digest: string;
  readonly size: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageRecord {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: { readonly digest: string } | null;
}

export type FullImageRecord = Omit<ImageRecord, 'target'> & { readonly target: Target };
type FoundImageRecord = Omit<ImageRecord, 'target'> & { readonly target: Target | null };

export interface LabelledInfo {
  readonly digest: string;
  readonly size: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface IngestStatus {
  /** `layer-sha256:…`, `config-…`, `manifest-…`, `index-…` */
  readonly ref: string;
  readonly offset: string;
  readonly total: string;
  readonly expected: string;
  readonly updated_at?: Timestamp | null;
}

export interface SnapshotInfo {
  readonly name: string;
  readonly parent: string;
  /** Kind: 1 view, 2 active, 3 committed. */
  readonly kind: number;
}

export interface ContainerRecord {
  readonly id: string;
  readonly image: string;
  readonly snapshotter: string;
  readonly snapshot_key: string;
  readonly created_at: Timestamp | null;
}

export interface Task {
  /** The container's. */
  readonly id: string;
  /** 1 created, 2 running, 3 stopped, 4 paused, 5 pausing. */
  readonly status: number;
  readonly exited_at: Timestamp | null;
}

export interface Lease {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface LeaseResource {
  /** A digest, an ingest's ref, or a snapshot's key. */
  readonly id: string;
  /** `content`, `ingests`, `snapshots/overlayfs` */
  readonly type: string;
}

export interface Envelope {
  readonly namespace: string;
  readonly topic: string;
  readonly event: { readonly type_url: string; readonly value: Buffer } | null;
}

type Empty = Record<string, never>;
type Filters = { readonly filters: readonly string[] };
/** A snapshot by its snapshotter and its name or key. */
export type SnapshotKey = { readonly snapshotter: string; readonly key: string };
/** Never without a target, also where the mask leaves it alone: containerd 1.7 and 2.1 die of a nil pointer on one. */
type ImageWrite = FullImageRecord;

const imagesService = 'containerd.services.images.v1.Images';
const contentService = 'containerd.services.content.v1.Content';
const snapshotsService = 'containerd.services.snapshots.v1.Snapshots';
const leasesService = 'containerd.services.leases.v1.Leases';

export const images = {
  get: grpcMethod<{ name: string }, { image: FoundImageRecord }>(imagesService, 'Get'),
  list: grpcMethod<Filters, { images: readonly ImageRecord[] }>(imagesService, 'List'),
  create: grpcMethod<{ image: ImageWrite }, Empty>(imagesService, 'Create'),
  update: grpcMethod<{ image: ImageWrite; update_mask: { paths: readonly string[] } }, Empty>(imagesService, 'Update'),
  /** containerd 2.0 and later deletes only a record that has `target`; earlier ones ignore it. */
  delete: grpcMethod<{ name: string; sync: boolean; target?: Target }, Empty>(imagesService, 'Delete'),
};

export const content = {
  info: grpcMethod<{ digest: string }, { info: LabelledInfo }>(contentService, 'Info'),
  list: grpcMethod<Filters, { info: readonly { digest: string }[] }>(contentService, 'List'),
  listLabelled: grpcMethod<Filters, { info: readonly LabelledInfo[] }>(
    contentService,
    'List',
    'containerd.services.content.v1.ListLabelledContentResponse',
  ),
  listSized: grpcMethod<Filters, { info: readonly { digest: string; size: string }[] }>(
    contentService,
    'List',
    'containerd.services.content.v1.ListSizedContentResponse',
  ),
  read: grpcMethod<{ digest: string }, { data: Buffer }>(contentService, 'Read'),
  abort: grpcMethod<{ ref: string }, Empty>(contentService, 'Abort'),
  listStatuses: grpcMethod<Filters, { statuses: readonly IngestStatus[] }>(contentService, 'ListStatuses'),
};

export const snapshots = {
  stat: grpcMethod<SnapshotKey, { info: SnapshotInfo }>(snapshotsService, 'Stat'),
  list: grpcMethod<Filters & { snapshotter: string }, { info: readonly SnapshotInfo[] }>(snapshotsService, 'List'),
  update: grpcMethod<
    {
      snapshotter: string;
      info: { name: string; labels: Readonly<Record<string, string>> };
      update_mask: { paths: readonly string[] };
    },
    Empty
  >(snapshotsService, 'Update'),
  remove: grpcMethod<SnapshotKey, Empty>(snapshotsService, 'Remove'),
  usage: grpcMethod<SnapshotKey, { size: string; inodes: string }>(snapshotsService, 'Usage'),
};

export const leases = {
  create: grpcMethod<Lease, Empty>(leasesService, 'Create'),
  delete: grpcMethod<{ id: string; sync: boolean }, Empty>(leasesService, 'Delete'),
  list: grpcMethod<Filters, { leases: readonly Lease[] }>(leasesService, 'List'),
  addResource: grpcMethod<{ id: string; resource: LeaseResource }, Empty>(leasesService, 'AddResource'),
  listResources: grpcMethod<{ id: string }, { resources: readonly LeaseResource[] }>(leasesService, 'ListResources'),
};

/** The CRI's list without its names, which the image records tell. */
export const listImageSizes = grpcMethod<object, { images: readonly { id: string; size: string }[] }>(
  'runtime.v1.ImageService',
  'ListImages',
  'runtime.v1.ListImageSizesResponse',
);

export const listNamespaces = grpcMethod<object, { namespaces: readonly { name: string }[] }>(
  'containerd.services.namespaces.v1.Namespaces',
  'List',
);
export const listContainers = grpcMethod<Filters, { containers: readonly ContainerRecord[] }>(
  'containerd.services.containers.v1.Containers',
  'List',
);
export const listTasks = grpcMethod<object, { tasks: readonly Task[] }>('containerd.services.tasks.v1.Tasks', 'List');
export const subscribe = grpcMethod<Filters, Envelope>('containerd.services.events.v1.Events', 'Subscribe');
