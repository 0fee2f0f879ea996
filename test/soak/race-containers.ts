/** Containers made the two ways that matter: by the CRI as the kubelet asks for them, and step by step as containerd's own client does it. */

import { createGrpcClient, type GrpcClient } from '../../agent/runtime/grpc/client.ts';
import {
  field,
  grpcMethod,
  inPackage,
  mergePackages,
  message,
  repeated,
  rpc,
  stringMap,
  streamRpc,
} from '../../agent/runtime/grpc/descriptor.ts';

const empty = 'google.protobuf.Empty';
const packages = mergePackages([
  inPackage('google.protobuf', { Empty: message(), Any: message({ type_url: field(1), value: field(2, 'bytes') }) }),
  inPackage('containerd.services.images.v1', {
    Images: { methods: { Get: rpc('GetImageRequest', 'GetImageResponse') } },
    GetImageRequest: message({ name: field(1) }),
    GetImageResponse: message(),
  }),
  inPackage('containerd.services.content.v1', {
    Content: { methods: { Read: streamRpc('ReadContentRequest', 'ReadContentResponse') } },
    ReadContentRequest: message({ digest: field(1) }),
    ReadContentResponse: message({ data: field(2, 'bytes') }),
  }),
  inPackage('containerd.services.leases.v1', {
    Leases: { methods: { Create: rpc('Lease', empty), Delete: rpc('DeleteRequest', empty) } },
    Lease: message({ id: field(1), labels: stringMap(3) }),
    DeleteRequest: message({ id: field(1) }),
  }),
  inPackage('containerd.services.snapshots.v1', {
    Snapshots: { methods: { Prepare: rpc('PrepareRequest', empty), Remove: rpc('RemoveRequest', empty) } },
    PrepareRequest: message({ snapshotter: field(1), key: field(2), parent: field(3) }),
    RemoveRequest: message({ snapshotter: field(1), key: field(2) }),
  }),
  inPackage('containerd.services.containers.v1', {
    Containers: { methods: { Create: rpc('CreateRequest', empty), Delete: rpc('DeleteRequest', empty) } },
    Runtime: message({ name: field(1) }),
    Container: message({
      id: field(1),
      image: field(3),
      runtime: field(4, 'Runtime'),
      spec: field(5, 'google.protobuf.Any'),
      snapshotter: field(6),
      snapshot_key: field(7),
    }),
    CreateRequest: message({ container: field(1, 'Container') }),
    DeleteRequest: message({ id: field(1) }),
  }),
  inPackage('runtime.v1', {
    RuntimeService: {
      methods: {
        RunPodSandbox: rpc('RunPodSandboxRequest', 'RunPodSandboxResponse'),
        CreateContainer: rpc('CreateContainerRequest', 'CreateContainerResponse'),
        RemoveContainer: rpc('ContainerRequest', 'Empty'),
      },
    },
    Empty: message(),
    Metadata: message({ name: field(1), uid: field(2), namespace: field(3) }),
    NamespaceOption: message({ network: field(1, 'int32'), pid: field(2, 'int32'), ipc: field(3, 'int32') }),
    SandboxSecurity: message({ namespace_options: field(1, 'NamespaceOption') }),
    SandboxLinux: message({ cgroup_parent: field(1), security_context: field(2, 'SandboxSecurity') }),
    SandboxConfig: message({
      metadata: field(1, 'Metadata'),
      log_directory: field(3),
      linux: field(8, 'SandboxLinux'),
    }),
    RunPodSandboxRequest: message({ config: field(1, 'SandboxConfig') }),
    RunPodSandboxResponse: message({ pod_sandbox_id: field(1) }),
    ImageSpec: message({ image: field(1) }),
    ContainerMetadata: message({ name: field(1) }),
    ContainerSecurity: message({ namespace_options: field(3, 'NamespaceOption') }),
    ContainerLinux: message({ security_context: field(2, 'ContainerSecurity') }),
    ContainerConfig: message({
      metadata: field(1, 'ContainerMetadata'),
      image: field(2, 'ImageSpec'),
      command: repeated(3),
      linux: field(15, 'ContainerLinux'),
    }),
    CreateContainerRequest: message({
      pod_sandbox_id: field(1),
      config: field(2, 'ContainerConfig'),
      sandbox_config: field(3, 'SandboxConfig'),
    }),
    CreateContainerResponse: message({ container_id: field(1) }),
    ContainerRequest: message({ container_id: field(1) }),
  }),
]);

const containerd = 'containerd.services';
const cri = 'runtime.v1.RuntimeService';
const hostNamespaces = { network: 2, pid: 2, ipc: 2 };
const snapshotter = 'overlayfs';

export interface RaceImage {
  readonly id: string;
  /** Tags and digest names, as they were loaded. */
  readonly names: readonly string[];
  readonly manifestDigest: string;
  readonly blobs: readonly string[];
  readonly topChainId: string;
}

export interface RaceContainers {
  /** By the CRI, in a pod that is there. Rejects where the image is gone. */
  createByKubelet(image: RaceImage): Promise<string>;
  /** `pause(step)` is awaited between looking the image up (0), preparing the layer (1) and storing the container (2). */
  createByClient(image: RaceImage, pause: (step: number) => Promise<void>): Promise<string>;
  remove(id: string): Promise<void>;
  close(): void;
}

/** @param folder of the containerd; its name is the cgroup in which its reaper finds the pod. */
export async function raceContainers(endpoint: string, folder: string): Promise<RaceContainers> {
  const client = createGrpcClient(endpoint, packages, { 'containerd-namespace': 'k8s.io' });
  const call = caller(client);
  const sandbox = {
    metadata: { name: 'race', uid: 'race', namespace: 'default' },
    linux: { cgroup_parent: `/${folder.split('/').at(-1)}`, security_context: { namespace_options: hostNamespaces } },
  };
  let pod: Promise<string> | undefined;
  const byKubelet = new Set<string>();
  let made = 0;

  return {
    async createByKubelet(image) {
      pod ??= call<{ pod_sandbox_id: string }>(cri, 'RunPodSandbox', { config: sandbox }).then(
        ({ pod_sandbox_id }) => pod_sandbox_id,
      );
      const pod_sandbox_id = await pod;
      made += 1;
      const config = {
        metadata: { name: `race-${made}` },
        image: { image: image.id },
        command: ['/never-started'],
        linux: { security_context: { namespace_options: hostNamespaces } },
      };
      const request = { pod_sandbox_id, config, sandbox_config: sandbox };
      const { container_id } = await call<{ container_id: string }>(cri, 'CreateContainer', request);
      byKubelet.add(container_id);
      return container_id;
    },

    async createByClient(image, pause) {
      made += 1;
      const id = `race-${process.pid}-${made}`;
      const [name = ''] = image.names;
      await call(`${containerd}.images.v1.Images`, 'Get', { name });
      await pause(0);
      await call(`${containerd}.leases.v1.Leases`, 'Create', { id, labels: {} });
      try {
        for (const digest of [image.manifestDigest, image.id]) await readBlob(client, digest);
        await pause(1);
        const lease = { headers: { 'containerd-lease': id } };
        const layer = { snapshotter, key: id, parent: image.topChainId };
        await call(`${containerd}.snapshots.v1.Snapshots`, 'Prepare', layer, lease);
        await pause(2);
        const container = {
          id,
          image: name,
          runtime: { name: 'io.containerd.runc.v2' },
          spec: { type_url: 'types.containerd.io/opencontainers/runtime-spec/1/Spec', value: Buffer.from('{}') },
          snapshotter,
          snapshot_key: id,
        };
        await call(`${containerd}.containers.v1.Containers`, 'Create', { container }, lease);
        return id;
      } finally {
        await call(`${containerd}.leases.v1.Leases`, 'Delete', { id });
      }
    },

    async remove(id) {
      if (byKubelet.delete(id)) {
        await call(cri, 'RemoveContainer', { container_id: id });
        return;
      }
      await call(`${containerd}.containers.v1.Containers`, 'Delete', { id });
      // The collector may have been there first.
      await call(`${containerd}.snapshots.v1.Snapshots`, 'Remove', { snapshotter, key: id }).catch(() => undefined);
    },

    close: () => client.close(),
  };
}

function caller(client: GrpcClient) {
  return async <Response extends object = object>(
    service: string,
    name: string,
    request: object,
    options = {},
  ): Promise<Response> =>
    await client.unary(grpcMethod<object, Response>(service, name), request, AbortSignal.timeout(60_000), options);
}

async function readBlob(client: GrpcClient, digest: string): Promise<void> {
  const read = grpcMethod<object, object>(`${containerd}.content.v1.Content`, 'Read');
  for await (const _ of client.stream(read, { digest }, AbortSignal.timeout(60_000))) continue;
}
