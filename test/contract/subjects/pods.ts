/** Pods on a real CRI, as the kubelet makes them, on the host's network: containers that the CRI lists. */

import { createGrpcClient } from '../../../agent/runtime/grpc/client.ts';
import { field, grpcMethod, inPackage, message, repeated, rpc } from '../../../agent/runtime/grpc/descriptor.ts';
import { soon } from '../helpers.ts';
import type { ContractContainers } from '../subject.ts';

/** The part of kubernetes/cri-api, runtime.v1, that makes and ends a pod. */
const podPackage = inPackage('runtime.v1', {
  RuntimeService: {
    methods: {
      RunPodSandbox: rpc('RunPodSandboxRequest', 'RunPodSandboxResponse'),
      StopPodSandbox: rpc('PodSandboxRequest', 'Empty'),
      RemovePodSandbox: rpc('PodSandboxRequest', 'Empty'),
      CreateContainer: rpc('CreateContainerRequest', 'CreateContainerResponse'),
      StartContainer: rpc('ContainerRequest', 'Empty'),
      StopContainer: rpc('ContainerRequest', 'Empty'),
      RemoveContainer: rpc('ContainerRequest', 'Empty'),
    },
  },
  Empty: message(),
  PodSandboxMetadata: message({ name: field(1), uid: field(2), namespace: field(3), attempt: field(4, 'uint32') }),
  NamespaceOption: message({ network: field(1, 'int32'), pid: field(2, 'int32'), ipc: field(3, 'int32') }),
  LinuxSandboxSecurityContext: message({ namespace_options: field(1, 'NamespaceOption') }),
  LinuxPodSandboxConfig: message({
    cgroup_parent: field(1),
    security_context: field(2, 'LinuxSandboxSecurityContext'),
  }),
  PodSandboxConfig: message({
    metadata: field(1, 'PodSandboxMetadata'),
    log_directory: field(3),
    linux: field(8, 'LinuxPodSandboxConfig'),
  }),
  RunPodSandboxRequest: message({ config: field(1, 'PodSandboxConfig') }),
  RunPodSandboxResponse: message({ pod_sandbox_id: field(1) }),
  PodSandboxRequest: message({ pod_sandbox_id: field(1) }),
  ImageSpec: message({ image: field(1) }),
  ContainerMetadata: message({ name: field(1), attempt: field(2, 'uint32') }),
  LinuxContainerSecurityContext: message({ namespace_options: field(3, 'NamespaceOption') }),
  LinuxContainerConfig: message({ security_context: field(2, 'LinuxContainerSecurityContext') }),
  ContainerConfig: message({
    metadata: field(1, 'ContainerMetadata'),
    image: field(2, 'ImageSpec'),
    command: repeated(3),
    log_path: field(11),
    linux: field(15, 'LinuxContainerConfig'),
  }),
  CreateContainerRequest: message({
    pod_sandbox_id: field(1),
    config: field(2, 'ContainerConfig'),
    sandbox_config: field(3, 'PodSandboxConfig'),
  }),
  CreateContainerResponse: message({ container_id: field(1) }),
  ContainerRequest: message({ container_id: field(1) }),
});

const service = 'runtime.v1.RuntimeService';
const runPodSandbox = grpcMethod<object, { pod_sandbox_id: string }>(service, 'RunPodSandbox');
const createContainer = grpcMethod<object, { container_id: string }>(service, 'CreateContainer');

/** Network and processes of the node: no CNI plugin is needed. */
const hostNamespaces = { network: 2, pid: 2, ipc: 2 };

export interface PodContainers extends ContractContainers {
  /** Sandboxes, by the container that they are for. */
  readonly sandboxes: ReadonlyMap<string, string>;
  close(): void;
}

/** @param folder of the containerd; its name is the cgroup in which its reaper finds the pods. */
export function podContainers(endpoint: string, folder: string): PodContainers {
  const client = createGrpcClient(endpoint, podPackage);
  const sandboxes = new Map<string, string>();
  let pods = 0;

  const act = async (name: string, request: object): Promise<void> => {
    await client.unary(grpcMethod<object, object>(service, name), request, soon());
  };

  const create = async (reference: string): Promise<string> => {
    pods += 1;
    const config = {
      metadata: { name: `pod-${pods}`, uid: `uid-${pods}`, namespace: 'default', attempt: 0 },
      log_directory: `${folder}/logs`,
      linux: {
        cgroup_parent: `/${folder.split('/').at(-1)}`,
        security_context: { namespace_options: hostNamespaces },
      },
    };
    const { pod_sandbox_id } = await client.unary(runPodSandbox, { config }, soon());
    const container = {
      metadata: { name: 'main', attempt: 0 },
      image: { image: reference },
      log_path: `pod-${pods}.log`,
      linux: { security_context: { namespace_options: hostNamespaces } },
    };
    const request = { pod_sandbox_id, config: container, sandbox_config: config };
    const { container_id } = await client.unary(createContainer, request, soon());
    sandboxes.set(container_id, pod_sandbox_id);
    return container_id;
  };

  return {
    sandboxes,
    create,
    run: async (reference) => {
      const container_id = await create(reference);
      await act('StartContainer', { container_id });
      return container_id;
    },
    stop: (container_id) => act('StopContainer', { container_id }),
    remove: async (container_id) => {
      const pod_sandbox_id = sandboxes.get(container_id);
      await act('StopPodSandbox', { pod_sandbox_id });
      await act('RemoveContainer', { container_id });
      await act('RemovePodSandbox', { pod_sandbox_id });
      sandboxes.delete(container_id);
    },
    close: () => client.close(),
  };
}
