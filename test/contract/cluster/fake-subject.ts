import type { AccessQuestion } from '../../../agent/cluster/cluster.ts';
import { type Permission, permissions } from '../../../agent/cluster/permissions.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { isResolvedConfigMap } from '../../../agent/core/resolved-config-maps.ts';
import { FakeApi, FakeCluster, type FakeMethod } from '../../fakes/fake-cluster.ts';
import type { ClusterSubject, NodeChange } from './subject.ts';

const writes: readonly FakeMethod[] = [
  'patchNodeStatus',
  'removeTaint',
  'createLease',
  'updateLease',
  'updateResolved',
  'createEvent',
];
const reads: readonly string[] = ['get', 'list', 'watch'];

export function makeFakeClusterSubject(): Promise<ClusterSubject> {
  const api = new FakeApi();
  const nodeName = 'node-1';
  const cluster = new FakeCluster(nodeName, { api });
  const readOnly = new FakeCluster(nodeName, { api });
  for (const method of writes) readOnly.fail(method, new Failure('auth', 'no', { detail: 'forbidden' }), 100);

  cluster.access = (question) => ({ allowed: mayAsk(question), reason: '' });
  readOnly.access = (question) => ({ allowed: reads.includes(question.verb) && mayAsk(question), reason: '' });

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
    namespace: 'stevedore',
    configMap: 'stevedore',
    cluster,
    readOnly,
    admin: {
      createNode: async (wanted = {}) => change(wanted),
      changeNode: async (wanted) => change(wanted),
      deleteNode: async () => api.removeNode(nodeName),
      node: async () => api.node(nodeName),
      async putConfigMap(name, data, labels) {
        if (isResolvedConfigMap(name)) api.setResolved(name, data);
        else api.setConfigMap(name, data['config.yaml'], labels === undefined ? {} : { labels });
      },
      async deleteConfigMap(name) {
        if (isResolvedConfigMap(name)) api.removeResolved(name);
        else api.removeConfigMap(name);
      },
      deleteLease: async (name) => api.removeLease(name),
      events: async () => api.events.map((event) => ({ ...event, uid: api.node(nodeName)?.uid ?? '' })),
    },
    close: async () => {
      await cluster.close();
    },
  });
}

function mayAsk({ group, resource, subresource, verb, name }: AccessQuestion): boolean {
  return permissions.some((entry: Permission) => {
    const isMeant = entry.group === group && entry.resource === resource && entry.subresource === subresource;
    return isMeant && entry.verbs.includes(verb) && (entry.names === undefined || entry.names.includes(name ?? ''));
  });
}

function merge(known: Readonly<Record<string, string>> = {}, change: NonNullable<NodeChange['labels']>) {
  const entries = Object.entries({ ...known, ...change });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}
