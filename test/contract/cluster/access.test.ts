import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClusterAccess } from '../../../agent/cluster/access.ts';
import { createCluster } from '../../../agent/cluster/kubernetes.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createApiDispatcher } from '../../../agent/registry/api-dispatcher.ts';
import { startApiServer } from '../../harness/api-server/api-server.ts';
import { makeFolder } from '../../harness/folder.ts';
import { expectFailure, soon, startWatching, until } from './helpers.ts';
import { type Adapter, nodeName, startAdapter } from './setup.ts';

const users = ({ server }: Adapter) => server.requests.map(({ status }) => status);

describe("a pod's token", () => {
  test('that has expired is read again at once, and the request is made again', async () => {
    const adapter = await startAdapter();
    await adapter.cluster.read(soon());
    await adapter.writeToken(adapter.issueToken());
    adapter.server.expireToken(adapter.token);
    const { node } = await adapter.cluster.read(soon());
    expect(node.name).toBe(nodeName);
    expect(users(adapter)).toContain(401);
  });

  test('with no successor yet: one 401 for each request, and a Failure; it is well once there is one', async () => {
    const adapter = await startAdapter();
    adapter.server.expireToken(adapter.token);
    const failure = await expectFailure(adapter.cluster.listLeases('', soon()), 'auth');
    expect(adapter.server.requests).toHaveLength(1);
    expect(failure.message).toContain('401');
    await adapter.writeToken(adapter.issueToken());
    await adapter.cluster.listLeases('', soon());
  });

  test('is read again before its time is over, without a 401', async () => {
    const adapter = await startAdapter({ rereadMs: 0 });
    await adapter.cluster.listLeases('', soon());
    await adapter.writeToken(adapter.issueToken());
    adapter.server.expireToken(adapter.token);
    await adapter.cluster.listLeases('', soon());
    expect(users(adapter)).toEqual([200, 200]);
    expect(adapter.server.connections.total).toBe(1);
  });

  test('that has expired breaks no watch, and the next one has the new token', async () => {
    const adapter = await startAdapter();
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    adapter.server.expireToken(adapter.token);
    adapter.server.patch('nodes', nodeName, { metadata: { labels: { gpu: 'still' } } });
    await until(() => expect(watching.node?.labels).toEqual({ gpu: 'still' }));
    adapter.server.endWatches();
    await until(() => expect(watching.contacts.at(-1)).toMatchObject({ live: false }));
    await adapter.writeToken(adapter.issueToken());
    adapter.server.patch('nodes', nodeName, { metadata: { labels: { gpu: 'again' } } });
    await until(() => {
      expect(watching.node?.labels).toEqual({ gpu: 'again' });
      expect(watching.contacts.at(-1)).toMatchObject({ live: true });
    });
  });

  test('shows in no message and no line of the log', async () => {
    const adapter = await startAdapter();
    const watching = await startWatching(adapter.cluster);
    onTestFinished(() => watching.stop());
    adapter.server.expireToken(adapter.token);
    const failure = await expectFailure(adapter.cluster.listLeases('', soon()), 'auth');
    adapter.server.cutConnections();
    await until(() => expect(watching.contacts.length).toBeGreaterThanOrEqual(2));
    const [, , secret = ''] = adapter.token.split('.');
    expect(adapter.logged()).toContain('watch begins again');
    for (const text of [failure.message, JSON.stringify(watching.contacts), adapter.logged()]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain('Bearer');
    }
  });
});

describe('in a cluster', () => {
  test('needs its variables', async () => {
    const access = createClusterAccess(
      { kubeconfig: undefined, serviceAccount: { env: {} }, connect: createApiDispatcher },
      soon(),
    );
    expect((await expectFailure(access, 'other')).message).toMatch(/not in a cluster.*--kubeconfig/);
  });

  test('needs a service account', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: '6443' };
    const folder = '/nonexistent/serviceaccount';
    const access = createClusterAccess(
      { kubeconfig: undefined, serviceAccount: { env, folder }, connect: createApiDispatcher },
      soon(),
    );
    expect((await expectFailure(access, 'other')).message).toMatch(/service account.*\/nonexistent\/serviceaccount/);
  });

  test.each([
    ['10.0.0.1', '443', 'https://10.0.0.1:443'],
    ['fd00:10::1', '6443', 'https://[fd00:10::1]:6443'],
  ])('%s port %s is %s', async (host, port, url) => {
    const folder = await makeFolder('account');
    onTestFinished(() => folder.remove());
    for (const name of ['token', 'ca.crt', 'namespace']) await writeFile(join(folder.path, name), `${name}\n`);
    const env = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port };
    const access = await createClusterAccess(
      { kubeconfig: undefined, serviceAccount: { env, folder: folder.path }, connect: createApiDispatcher },
      soon(),
    );
    expect((await access.open(soon())).server).toBe(url);
    expect(access.namespace).toBe('namespace');
    await access.close();
  });

  test('a new authority is taken up without a restart', async () => {
    const [old, renewed] = [await startApiServer(), await startApiServer()];
    const folder = await makeFolder('account');
    onTestFinished(async () => {
      await Promise.all([old.remove(), renewed.remove(), folder.remove()]);
    });
    await writeFile(join(folder.path, 'token'), renewed.issueToken({ user: 'agent', groups: ['system:masters'] }));
    await writeFile(join(folder.path, 'ca.crt'), old.ca);
    const access = await createClusterAccess(
      {
        kubeconfig: undefined,
        serviceAccount: {
          folder: folder.path,
          env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(renewed.port) },
        },
        connect: createApiDispatcher,
      },
      soon(),
    );
    const cluster = createCluster(access, { nodeName, namespace: 'default', configMap: 'x', log: silentLogger });
    onTestFinished(() => cluster.close());
    const failure = await expectFailure(cluster.listLeases('', soon()), 'tls', 'tls_ca');
    expect(failure.message).toContain(join(folder.path, 'ca.crt'));
    await writeFile(join(folder.path, 'ca.new'), renewed.ca);
    await rename(join(folder.path, 'ca.new'), join(folder.path, 'ca.crt'));
    expect(await cluster.listLeases('', soon())).toEqual([]);
  });
});
