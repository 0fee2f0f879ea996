/** The fields of each kind; what is not here falls away as on a real API server. */

import type { Field } from './fields.ts';

const strings: Field = { map: 'string' };
const time: Field = 'time';

const metadata: Field = {
  fields: {
    name: 'text',
    generateName: 'text',
    namespace: 'text',
    uid: 'text',
    resourceVersion: 'text',
    creationTimestamp: 'time',
    deletionTimestamp: 'time',
    labels: strings,
    annotations: strings,
    finalizers: { list: 'string' },
    ownerReferences: { list: 'any' },
  },
};

const whole = { kind: 'string', apiVersion: 'string', metadata } as const;

const reference: Field = {
  fields: {
    kind: 'text',
    namespace: 'text',
    name: 'text',
    uid: 'text',
    apiVersion: 'text',
    resourceVersion: 'text',
    fieldPath: 'text',
  },
};

const taint: Field = { fields: { key: 'string', value: 'text', effect: 'string', timeAdded: time } };

const condition: Field = {
  fields: {
    type: 'string',
    status: 'string',
    lastHeartbeatTime: 'nullTime',
    lastTransitionTime: 'nullTime',
    reason: 'text',
    message: 'text',
  },
};

export const fieldsOf = {
  node: {
    ...whole,
    spec: {
      fields: {
        podCIDR: 'text',
        podCIDRs: { list: 'string' },
        providerID: 'text',
        unschedulable: 'bool',
        taints: { list: taint },
        configSource: 'any',
      },
    },
    status: {
      fields: {
        capacity: { map: 'any' },
        allocatable: { map: 'any' },
        phase: 'text',
        conditions: { list: condition },
        addresses: { list: { fields: { type: 'string', address: 'string' } } },
        daemonEndpoints: 'any',
        nodeInfo: 'any',
        images: { list: 'any' },
        volumesInUse: { list: 'string' },
        volumesAttached: { list: 'any' },
        runtimeHandlers: { list: 'any' },
        features: 'any',
      },
    },
  },
  namespace: { ...whole, spec: 'any', status: 'any' },
  configMap: { ...whole, immutable: 'bool', data: strings, binaryData: strings },
  lease: {
    ...whole,
    spec: {
      fields: {
        holderIdentity: 'string',
        leaseDurationSeconds: 'int',
        acquireTime: 'microTime',
        renewTime: 'microTime',
        leaseTransitions: 'int',
        strategy: 'text',
        preferredHolder: 'text',
      },
    },
  },
  event: {
    ...whole,
    eventTime: 'microTime',
    series: { fields: { count: 'int', lastObservedTime: 'microTime' } },
    reportingController: 'text',
    reportingInstance: 'text',
    action: 'text',
    reason: 'text',
    regarding: reference,
    related: reference,
    note: 'text',
    type: 'text',
    deprecatedSource: { fields: { component: 'text', host: 'text' } },
    deprecatedFirstTimestamp: 'nullTime',
    deprecatedLastTimestamp: 'nullTime',
    deprecatedCount: 'int',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Field>>>>;

/** What a Node says of itself before its kubelet has. */
export const emptyNodeInfo = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: '',
  osImage: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  kubeProxyVersion: '',
  operatingSystem: '',
  architecture: '',
};
