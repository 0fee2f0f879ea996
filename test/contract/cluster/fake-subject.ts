import { Failure } from '../../../agent/core/failure.ts';
import { FakeApi, FakeCluster, type FakeMethod } from '../../fakes/fake-cluster.ts';
import type { ClusterSubject, NodeChange } from './subject.ts';

const writes: readonly FakeMethod[] = ['patchNodeStatus', 'removeTaint', 'createLease', 'updateLease', 'createEvent'];

export function makeFakeClusterSubject(): Promise<ClusterSubject> {
  const api = new FakeApi();
  const nodeName = 'node-1';
  const cluster = new FakeCluster(nodeName, { api });
  const readOnly = new FakeCluster(nodeName, { api });
  for (const method of writes) readOnly.fail(method, new Failure('auth', 'no', { detail: 'forbidden' }), 100);

  const change = ({ labels = {}, annotations = {}, taints, unschedulable, condition }: NodeChange): void => {
    const known = api.node(nodeName);
    api.setNode(nodeName, {
      labels: merge(known?.labels, labels),
      annotations: merge(known?.annotations, annotations),
      ...(taints && { taints: taints.map((taint) => ({ value: undefined, ...taint })) }),
      ...(unschedulable !== undefined && { unschedulable }),
      ...(condition && {
        conditions: [
          ...(known?.conditions.filter(({ type }) => type !== condition.type) ?? []),
          { lastTransitionAt: undefined, ...condition },
        ],
      }),
    });
  };

  return Promise.resolve({
    nodeName,
    configMap: 'stevedore',
    cluster,
    readOnly,
    admin: {
      createNode: async (wanted = {}) => change(wanted),
      changeNode: async (wanted) => change(wanted),
      deleteNode: async () => api.removeNode(nodeName),
      node: async () => api.node(nodeName),
      putConfigMap: async (name, data, labels) =>
        api.setConfigMap(name, data['config.yaml'], labels === undefined ? {} : { labels }),
      deleteConfigMap: async (name) => api.removeConfigMap(name),
      deleteLease: async (name) => api.removeLease(name),
      events: async () => api.events.map((event) => ({ ...event, uid: api.node(nodeName)?.uid ?? '' })),
    },
    close: async () => {
      await cluster.close();
    },
  });
}

function merge(known: Readonly<Record<string, string>> = {}, change: NonNullable<NodeChange['labels']>) {
  const entries = Object.entries({ ...known, ...change });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}
