/**
 * The part of containerd's own services (containerd/api 1.10) that we use, with its field numbers. What is left out is skipped
 * while decoding: a container's spec would be most of an answer.
 */

import { field, inPackage, mergePackages, message, repeated, rpc, stringMap, streamRpc } from '../grpc/descriptor.ts';

const empty = 'google.protobuf.Empty';

export const containerdPackages = mergePackages([
  inPackage('google.protobuf', {
    Empty: message(),
    Timestamp: message({ seconds: field(1, 'int64'), nanos: field(2, 'int32') }),
    FieldMask: message({ paths: repeated(1) }),
    Any: message({ type_url: field(1), value: field(2, 'bytes') }),
  }),
  inPackage('containerd.types', {
    Descriptor: message({
      media_type: field(1),
      digest: field(2),
      size: field(3, 'int64'),
      annotations: stringMap(5),
    }),
    Envelope: message({ namespace: field(2), topic: field(3), event: field(4, 'google.protobuf.Any') }),
  }),
  inPackage('containerd.services.images.v1', {
    Images: {
      methods: {
        Get: rpc('GetImageRequest', 'GetImageResponse'),
        List: rpc('ListImagesRequest', 'ListImagesResponse'),
        Create: rpc('CreateImageRequest', 'CreateImageResponse'),
        Update: rpc('UpdateImageRequest', 'UpdateImageResponse'),
        Delete: rpc('DeleteImageRequest', empty),
      },
    },
    Image: message({ name: field(1), labels: stringMap(2), target: field(3, 'containerd.types.Descriptor') }),
    GetImageRequest: message({ name: field(1) }),
    GetImageResponse: message({ image: field(1, 'Image') }),
    ListImagesRequest: message({ filters: repeated(1) }),
    ListedTarget: message({ digest: field(2) }),
    ListedImage: message({ name: field(1), labels: stringMap(2), target: field(3, 'ListedTarget') }),
    ListImagesResponse: message({ images: repeated(1, 'ListedImage') }),
    CreateImageRequest: message({ image: field(1, 'Image') }),
    CreateImageResponse: message(),
    UpdateImageRequest: message({ image: field(1, 'Image'), update_mask: field(2, 'google.protobuf.FieldMask') }),
    UpdateImageResponse: message(),
    DeleteImageRequest: message({
      name: field(1),
      sync: field(2, 'bool'),
      target: field(3, 'containerd.types.Descriptor'),
    }),
    ImageCreate: message({ name: field(1) }),
    ImageUpdate: message({ name: field(1) }),
    ImageDelete: message({ name: field(1) }),
  }),
  inPackage('containerd.services.content.v1', {
    Content: {
      methods: {
        Info: rpc('InfoRequest', 'InfoResponse'),
        List: streamRpc('ListContentRequest', 'ListContentResponse'),
        Read: streamRpc('ReadContentRequest', 'ReadContentResponse'),
        ListStatuses: rpc('ListStatusesRequest', 'ListStatusesResponse'),
        Abort: rpc('AbortRequest', empty),
      },
    },
    Info: message({ digest: field(1), size: field(2, 'int64'), labels: stringMap(5) }),
    InfoRequest: message({ digest: field(1) }),
    InfoResponse: message({ info: field(1, 'Info') }),
    ListContentRequest: message({ filters: repeated(1) }),
    ListedInfo: message({ digest: field(1) }),
    ListContentResponse: message({ info: repeated(1, 'ListedInfo') }),
    LabelledInfo: message({ digest: field(1), size: field(2, 'int64'), labels: stringMap(5) }),
    ListLabelledContentResponse: message({ info: repeated(1, 'LabelledInfo') }),
    SizedInfo: message({ digest: field(1), size: field(2, 'int64') }),
    ListSizedContentResponse: message({ info: repeated(1, 'SizedInfo') }),
    ReadContentRequest: message({ digest: field(1), offset: field(2, 'int64'), size: field(3, 'int64') }),
    ReadContentResponse: message({ offset: field(1, 'int64'), data: field(2, 'bytes') }),
    Status: message({
      updated_at: field(2, 'google.protobuf.Timestamp'),
      ref: field(3),
      offset: field(4, 'int64'),
      total: field(5, 'int64'),
      expected: field(6),
    }),
    AbortRequest: message({ ref: field(1) }),
    ListStatusesRequest: message({ filters: repeated(1) }),
    ListStatusesResponse: message({ statuses: repeated(1, 'Status') }),
  }),
  inPackage('containerd.services.snapshots.v1', {
    Snapshots: {
      methods: {
        Stat: rpc('StatSnapshotRequest', 'StatSnapshotResponse'),
        List: streamRpc('ListSnapshotsRequest', 'ListSnapshotsResponse'),
        Usage: rpc('UsageRequest', 'UsageResponse'),
        Update: rpc('UpdateSnapshotRequest', 'UpdateSnapshotResponse'),
        Remove: rpc('RemoveSnapshotRequest', empty),
      },
    },
    Info: message({ name: field(1), parent: field(2), kind: field(3, 'int32') }),
    LabelledSnapshot: message({ name: field(1), labels: stringMap(6) }),
    UpdateSnapshotRequest: message({
      snapshotter: field(1),
      info: field(2, 'LabelledSnapshot'),
      update_mask: field(3, 'google.protobuf.FieldMask'),
    }),
    UpdateSnapshotResponse: message(),
    RemoveSnapshotRequest: message({ snapshotter: field(1), key: field(2) }),
    StatSnapshotRequest: message({ snapshotter: field(1), key: field(2) }),
    StatSnapshotResponse: message({ info: field(1, 'Info') }),
    ListSnapshotsRequest: message({ snapshotter: field(1), filters: repeated(2) }),
    ListSnapshotsResponse: message({ info: repeated(1, 'Info') }),
    UsageRequest: message({ snapshotter: field(1), key: field(2) }),
    UsageResponse: message({ size: field(1, 'int64'), inodes: field(2, 'int64') }),
  }),
  inPackage('runtime.v1', {
    ImageSize: message({ id: field(1), size: field(4, 'uint64') }),
    ListImageSizesResponse: message({ images: repeated(1, 'ImageSize') }),
  }),
  inPackage('containerd.services.containers.v1', {
    Containers: { methods: { List: rpc('ListContainersRequest', 'ListContainersResponse') } },
    Container: message({
      id: field(1),
      image: field(3),
      snapshotter: field(6),
      snapshot_key: field(7),
      created_at: field(8, 'google.protobuf.Timestamp'),
    }),
    ListContainersRequest: message({ filters: repeated(1) }),
    ListContainersResponse: message({ containers: repeated(1, 'Container') }),
  }),
  inPackage('containerd.services.tasks.v1', {
    Tasks: { methods: { List: rpc('ListTasksRequest', 'ListTasksResponse') } },
    Process: message({
      id: field(2),
      status: field(4, 'int32'),
      exited_at: field(10, 'google.protobuf.Timestamp'),
    }),
    ListTasksRequest: message(),
    ListTasksResponse: message({ tasks: repeated(1, 'Process') }),
  }),
  inPackage('containerd.services.leases.v1', {
    Leases: {
      methods: {
        Create: rpc('CreateRequest', 'CreateResponse'),
        Delete: rpc('DeleteRequest', empty),
        List: rpc('ListRequest', 'ListResponse'),
        AddResource: rpc('AddResourceRequest', empty),
        ListResources: rpc('ListResourcesRequest', 'ListResourcesResponse'),
      },
    },
    Lease: message({ id: field(1), labels: stringMap(3) }),
    CreateRequest: message({ id: field(1), labels: stringMap(3) }),
    CreateResponse: message(),
    DeleteRequest: message({ id: field(1), sync: field(2, 'bool') }),
    ListRequest: message({ filters: repeated(1) }),
    ListResponse: message({ leases: repeated(1, 'Lease') }),
    Resource: message({ id: field(1), type: field(2) }),
    AddResourceRequest: message({ id: field(1), resource: field(2, 'Resource') }),
    ListResourcesRequest: message({ id: field(1) }),
    ListResourcesResponse: message({ resources: repeated(1, 'Resource') }),
  }),
  inPackage('containerd.services.namespaces.v1', {
    Namespaces: { methods: { List: rpc('ListNamespacesRequest', 'ListNamespacesResponse') } },
    Namespace: message({ name: field(1) }),
    ListNamespacesRequest: message(),
    ListNamespacesResponse: message({ namespaces: repeated(1, 'Namespace') }),
  }),
  inPackage('containerd.services.events.v1', {
    Events: { methods: { Subscribe: streamRpc('SubscribeRequest', 'containerd.types.Envelope') } },
    SubscribeRequest: message({ filters: repeated(1) }),
  }),
  inPackage('containerd.events', {
    ContainerCreate: message({ id: field(1), image: field(2) }),
    ContainerDelete: message({ id: field(1) }),
    TaskStart: message({ container_id: field(1) }),
    TaskExit: message({ container_id: field(1), id: field(2) }),
    SnapshotPrepare: message({ key: field(1) }),
    SnapshotCommit: message({ key: field(1), name: field(2) }),
  }),
]);
