/** The part of the CRI (kubernetes/cri-api, runtime.v1) that we use, with its field numbers. */

import { field, grpcMethod, inPackage, message, repeated, rpc, stringMap } from '../grpc/descriptor.ts';

export const criPackage = inPackage('runtime.v1', {
  RuntimeService: {
    methods: {
      Version: rpc('VersionRequest', 'VersionResponse'),
      Status: rpc('StatusRequest', 'StatusResponse'),
      ListContainers: rpc('ListContainersRequest', 'ListContainersResponse'),
      ContainerStatus: rpc('ContainerStatusRequest', 'ContainerStatusResponse'),
      ListPodSandbox: rpc('ListPodSandboxRequest', 'ListPodSandboxResponse'),
    },
  },
  ImageService: {
    methods: {
      ListImages: rpc('ListImagesRequest', 'ListImagesResponse'),
      ImageStatus: rpc('ImageStatusRequest', 'ImageStatusResponse'),
      PullImage: rpc('PullImageRequest', 'PullImageResponse'),
      RemoveImage: rpc('RemoveImageRequest', 'RemoveImageResponse'),
      ImageFsInfo: rpc('ImageFsInfoRequest', 'ImageFsInfoResponse'),
    },
  },
  VersionRequest: message(),
  VersionResponse: message({ runtime_name: field(2), runtime_version: field(3) }),
  StatusRequest: message({ verbose: field(1, 'bool') }),
  StatusResponse: message({ info: stringMap(2) }),
  ImageSpec: message({ image: field(1), user_specified_image: field(18) }),
  AuthConfig: message({ username: field(1), password: field(2), server_address: field(4) }),
  Image: message({
    id: field(1),
    repo_tags: repeated(2),
    repo_digests: repeated(3),
    size: field(4, 'uint64'),
    pinned: field(8, 'bool'),
  }),
  ListImagesRequest: message(),
  ListImagesResponse: message({ images: repeated(1, 'Image') }),
  ImageStatusRequest: message({ image: field(1, 'ImageSpec'), verbose: field(2, 'bool') }),
  ImageStatusResponse: message({ image: field(1, 'Image'), info: stringMap(2) }),
  PullImageRequest: message({ image: field(1, 'ImageSpec'), auth: field(2, 'AuthConfig') }),
  PullImageResponse: message({ image_ref: field(1) }),
  RemoveImageRequest: message({ image: field(1, 'ImageSpec') }),
  RemoveImageResponse: message(),
  ImageFsInfoRequest: message(),
  FilesystemIdentifier: message({ mountpoint: field(1) }),
  FilesystemUsage: message({ fs_id: field(2, 'FilesystemIdentifier') }),
  ImageFsInfoResponse: message({ image_filesystems: repeated(1, 'FilesystemUsage') }),
  ListContainersRequest: message(),
  Container: message({
    id: field(1),
    image: field(4, 'ImageSpec'),
    image_ref: field(5),
    state: field(6, 'int32'),
    created_at: field(7, 'int64'),
    image_id: field(10),
  }),
  ListContainersResponse: message({ containers: repeated(1, 'Container') }),
  ContainerStatusRequest: message({ container_id: field(1) }),
  ContainerStatus: message({ started_at: field(5, 'int64'), finished_at: field(6, 'int64') }),
  ContainerStatusResponse: message({ status: field(1, 'ContainerStatus') }),
  ListPodSandboxRequest: message(),
  PodSandbox: message({ id: field(1), state: field(3, 'int32'), created_at: field(4, 'int64') }),
  ListPodSandboxResponse: message({ items: repeated(1, 'PodSandbox') }),
});

export interface CriImageSpec {
  readonly image: string;
  /** What the pod's author wrote, where the kubelet passes an image id as `image`. */
  readonly user_specified_image?: string;
}

export interface CriImage {
  readonly id: string;
  readonly repo_tags: readonly string[];
  readonly repo_digests: readonly string[];
  readonly size: string;
  readonly pinned: boolean;
}

export interface CriAuth {
  readonly username: string;
  readonly password: string;
  readonly server_address: string;
}

export interface CriContainer {
  readonly id: string;
  readonly image: CriImageSpec | null;
  readonly image_ref: string;
  /** ContainerState: 0 created, 1 running, 2 exited, 3 unknown. */
  readonly state: number;
  /** Nanoseconds since the epoch. */
  readonly created_at: string;
  readonly image_id: string;
}

export interface CriSandbox {
  readonly id: string;
  /** PodSandboxState: 0 ready, 1 not ready. */
  readonly state: number;
  readonly created_at: string;
}

export interface CriContainerStatus {
  /** Nanoseconds since the epoch; 0: not yet. */
  readonly started_at: string;
  readonly finished_at: string;
}

/** What a runtime tells beyond the CRI, by topic: mostly JSON, each runtime's own. Only with `verbose`. */
export type CriInfo = Readonly<Record<string, string>>;

type Empty = Record<string, never>;

export const cri = {
  version: grpcMethod<Empty, { runtime_name: string; runtime_version: string }>('runtime.v1.RuntimeService', 'Version'),
  listContainers: grpcMethod<Empty, { containers: readonly CriContainer[] }>(
    'runtime.v1.RuntimeService',
    'ListContainers',
  ),
  listPodSandbox: grpcMethod<Empty, { items: readonly CriSandbox[] }>('runtime.v1.RuntimeService', 'ListPodSandbox'),
  listImages: grpcMethod<Empty, { images: readonly CriImage[] }>('runtime.v1.ImageService', 'ListImages'),
  status: grpcMethod<{ verbose: boolean }, { info: CriInfo }>('runtime.v1.RuntimeService', 'Status'),
  containerStatus: grpcMethod<{ container_id: string }, { status: CriContainerStatus | null }>(
    'runtime.v1.RuntimeService',
    'ContainerStatus',
  ),
  imageStatus: grpcMethod<{ image: CriImageSpec; verbose?: boolean }, { image: CriImage | null; info: CriInfo }>(
    'runtime.v1.ImageService',
    'ImageStatus',
  ),
  pullImage: grpcMethod<{ image: CriImageSpec; auth?: CriAuth }, { image_ref: string }>(
    'runtime.v1.ImageService',
    'PullImage',
  ),
  removeImage: grpcMethod<{ image: CriImageSpec }, Empty>('runtime.v1.ImageService', 'RemoveImage'),
  imageFsInfo: grpcMethod<Empty, { image_filesystems: readonly { fs_id: { mountpoint: string } | null }[] }>(
    'runtime.v1.ImageService',
    'ImageFsInfo',
  ),
};
