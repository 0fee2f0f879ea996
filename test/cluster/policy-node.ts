/** The Node that the attempts of policy-attempts.ts are made on, as the API server holds it before each of them. */

export const ownTaint = 'startup-taint.cluster-autoscaler.kubernetes.io/stevedore';
/** The name of the node that there is not; a body has to say it too. */
export const absentNode = 'policy-absent';
export const ownCondition = 'ImageSetsReady';

/** `seasoned`: the agent has written to it before. `fresh`: it has not, and the startup taint is the only one. */
export type NodeState = 'seasoned' | 'fresh';

const at = '2026-01-01T00:00:00Z';

export const seasonedTaints = [
  { key: ownTaint, effect: 'NoSchedule' },
  { key: 'example.com/other', value: 'x', effect: 'NoSchedule' },
  { key: ownTaint, effect: 'NoExecute' },
  { key: 'example.com/another', effect: 'NoSchedule' },
] as const;

export const foreignConditions = [
  toCondition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
  toCondition('Ready', 'True', 'KubeletReady'),
] as const;

/** Metadata and spec are written with `nodes`, `status` with `nodes/status`; creation alone would have taints added. */
export function toPolicyNode(name: string, state: NodeState) {
  const seasoned = state === 'seasoned';
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'example.com/pool': 'gpu',
        ...(seasoned ? { 'image-set.stevedore.dev/old': 'ready' } : {}),
      },
      annotations: { 'example.com/note': 'mine' },
    },
    spec: { taints: seasoned ? seasonedTaints : seasonedTaints.slice(0, 1) },
    status: {
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [...foreignConditions, ...(seasoned ? [toCondition(ownCondition, 'False', 'Pulling')] : [])],
      addresses: [{ type: 'InternalIP', address: '192.0.2.7' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        architecture: 'amd64',
        bootID: '1',
        containerRuntimeVersion: 'containerd://2.1.0',
        kernelVersion: '6.1',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.36.3',
        machineID: '1',
        operatingSystem: 'linux',
        osImage: 'Debian',
        systemUUID: '1',
      },
      images: [{ names: ['harbor.example.com/ml/base:1'], sizeBytes: 1 }],
    },
  };
}

export function toCondition(type: string, status: string, reason: string, heartbeat: string = at) {
  return { type, status, reason, message: '', lastHeartbeatTime: heartbeat, lastTransitionTime: at };
}
