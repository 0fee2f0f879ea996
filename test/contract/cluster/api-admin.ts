/** An operator who speaks HTTP with an API server, whichever it is. */

import { Agent, request } from 'undici';
import { readList, readRecord, readString } from '../../../agent/cluster/fields.ts';
import { toNodeState } from '../../../agent/cluster/objects.ts';
import type { ClusterAdmin, NodeChange } from './subject.ts';

export interface ApiAdminSettings {
  readonly url: string;
  /** PEM; undefined: plain http. */
  readonly ca: string | undefined;
  /** Undefined: who asks is known there. */
  readonly token: string | undefined;
  readonly nodeName: string;
  readonly namespace: string;
}

const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';

export interface ApiAdmin extends ClusterAdmin {
  createNamespace(): Promise<void>;
  deleteNamespace(): Promise<void>;
  close(): Promise<void>;
}

export function createApiAdmin({ url, ca, token, nodeName, namespace }: ApiAdminSettings): ApiAdmin {
  const dispatcher = new Agent(ca === undefined ? {} : { connect: { ca } });
  const nodePath = `/api/v1/nodes/${nodeName}`;
  const configMapsPath = `/api/v1/namespaces/${namespace}/configmaps`;

  /** Undefined: 404. */
  async function ask(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<unknown> {
    const response = await request(`${url}${path}`, {
      method,
      dispatcher,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': contentType }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    if (response.statusCode === 404) return undefined;
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return JSON.parse(text);
  }

  async function changeNode({ labels, annotations, taints, unschedulable, condition }: NodeChange): Promise<void> {
    const metadata = { ...(labels && { labels }), ...(annotations && { annotations }) };
    const spec = { ...(taints && { taints }), ...(unschedulable !== undefined && { unschedulable }) };
    await ask('PATCH', nodePath, { metadata, spec }, merge);
    if (condition === undefined) return;
    const { lastHeartbeatAt, ...rest } = condition;
    const lastHeartbeatTime = `${new Date(lastHeartbeatAt).toISOString().slice(0, 19)}Z`;
    await ask('PATCH', `${nodePath}/status`, { status: { conditions: [{ ...rest, lastHeartbeatTime }] } }, strategic);
  }

  return {
    async createNode(change = {}) {
      await ask('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
      // A real API server gives every new Node this taint.
      await changeNode({ taints: [], ...change });
    },
    changeNode,
    deleteNode: async () => void (await ask('DELETE', nodePath)),
    async node() {
      const node = await ask('GET', nodePath);
      return node === undefined ? undefined : toNodeState(node);
    },
    async putConfigMap(name, data, labels) {
      const known = await ask('GET', `${configMapsPath}/${name}`);
      const object = { metadata: { name, ...(labels && { labels }) }, data };
      if (known === undefined) {
        await ask('POST', configMapsPath, { apiVersion: 'v1', kind: 'ConfigMap', ...object });
      } else {
        const { data: was, metadata } = readRecord(known);
        const gone = Object.fromEntries(Object.keys(readRecord(was)).map((key) => [key, null]));
        const labelsWere = Object.keys(readRecord(readRecord(metadata)['labels'])).map((key) => [key, null]);
        const change = labels === undefined ? {} : { labels: { ...Object.fromEntries(labelsWere), ...labels } };
        await ask('PATCH', `${configMapsPath}/${name}`, { metadata: change, data: { ...gone, ...data } }, merge);
      }
    },
    deleteConfigMap: async (name) => void (await ask('DELETE', `${configMapsPath}/${name}`)),
    deleteLease: async (name) =>
      void (await ask('DELETE', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`)),
    async events() {
      const answer = await ask('GET', '/apis/events.k8s.io/v1/namespaces/default/events');
      return readList(readRecord(answer)['items'])
        .map(readRecord)
        .filter(({ regarding }) => readRecord(regarding)['name'] === nodeName)
        .map(({ type, reason, action, note, regarding }) => ({
          type: type === 'Warning' ? 'Warning' : 'Normal',
          reason: readString(reason) ?? '',
          action: readString(action) ?? '',
          note: readString(note) ?? '',
          uid: readString(readRecord(regarding)['uid']) ?? '',
        }));
    },
    createNamespace: async () =>
      void (await ask('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      })),
    deleteNamespace: async () => void (await ask('DELETE', `/api/v1/namespaces/${namespace}`)),
    close: async () => dispatcher.destroy(),
  };
}
