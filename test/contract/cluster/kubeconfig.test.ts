import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ClusterAccess, createClusterAccess } from '../../../agent/cluster/access.ts';
import { createCluster } from '../../../agent/cluster/kubernetes.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createApiDispatcher } from '../../../agent/registry/api-dispatcher.ts';
import { type ApiServer, startApiServer } from '../../harness/api-server/api-server.ts';
import { type Folder, makeFolder } from '../../harness/folder.ts';
import { expectFailure, soon } from './helpers.ts';

const masters = { user: 'operator', groups: ['system:masters'] };

describe('a kubeconfig', () => {
  let server: ApiServer;
  let folder: Folder;

  beforeAll(async () => {
    server = await startApiServer();
    folder = await makeFolder('kubeconfig');
    server.put('nodes', { metadata: { name: 'n1' } });
  });
  afterAll(async () => {
    await server.remove();
    await folder.remove();
  });

  const pathOf = (name: string): string => join(folder.path, name);

  interface Parts {
    readonly cluster?: object;
    readonly user?: object;
    readonly change?: object;
  }

  async function write(name: string, { cluster = {}, user = {}, change = {} }: Parts): Promise<string> {
    const authority = { 'certificate-authority-data': Buffer.from(server.ca).toString('base64') };
    const config = {
      clusters: [{ name: 'c', cluster: { server: server.url, ...authority, ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
      'current-context': 'x',
      ...change,
    };
    await writeFile(pathOf(name), JSON.stringify(config));
    return pathOf(name);
  }

  const open = (kubeconfig: string, rereadMs = 60_000): Promise<ClusterAccess> =>
    createClusterAccess({ kubeconfig, connect: createApiDispatcher, rereadMs }, soon());

  async function readNode(access: ClusterAccess): Promise<string> {
    const cluster = createCluster(access, { nodeName: 'n1', namespace: 'default', configMap: 'x', log: silentLogger });
    onTestFinished(() => cluster.close());
    return (await cluster.read(soon())).node.name;
  }

  test('with a token', async () => {
    const access = await open(await write('token', { user: { token: server.issueToken(masters) } }));
    expect(await readNode(access)).toBe('n1');
    expect(access.namespace).toBe('team');
  });

  test('with a token file, named relative to it', async () => {
    await writeFile(pathOf('the-token'), server.issueToken(masters));
    const user = { tokenFile: 'the-token' };
    expect(await readNode(await open(await write('token-file', { user })))).toBe('n1');
  });

  test('with an authority in a file, named relative to it', async () => {
    await writeFile(pathOf('ca.crt'), server.ca);
    const cluster = { 'certificate-authority-data': undefined, 'certificate-authority': 'ca.crt' };
    const user = { token: server.issueToken(masters) };
    expect(await readNode(await open(await write('ca-file', { cluster, user })))).toBe('n1');
  });

  test('with an exec plugin, which is asked again when what it gave is refused', async () => {
    const [first, second] = [server.issueToken(masters), server.issueToken(masters)];
    const command = pathOf('plugin.sh');
    await writeFile(pathOf('given'), first);
    const credential = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$(cat ${pathOf('given')})'"}}`;
    await writeFile(command, `#!/bin/sh\necho '${credential}'\n`);
    await chmod(command, 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'Never' };
    const access = await open(await write('exec', { user: { exec } }));
    expect(await readNode(access)).toBe('n1');
    await writeFile(pathOf('given'), second);
    server.expireToken(first);
    expect(await readNode(access)).toBe('n1');
  });

  test('without verification, where it says so', async () => {
    const user = { token: server.issueToken(masters) };
    const cluster = { 'certificate-authority-data': undefined, 'insecure-skip-tls-verify': true };
    expect(await readNode(await open(await write('insecure', { cluster, user })))).toBe('n1');
  });

  test('with an authority that did not sign the certificate: names the file', async () => {
    const other = await startApiServer();
    onTestFinished(() => other.remove());
    const cluster = { 'certificate-authority-data': Buffer.from(other.ca).toString('base64') };
    const path = await write('wrong-ca', { cluster, user: { token: 'x' } });
    expect((await expectFailure(readNode(await open(path)), 'tls', 'tls_ca')).message).toContain(path);
  });

  test('that changes is read again', async () => {
    const path = await write('changes', { user: { token: 'not a token' } });
    const access = await open(path, 0);
    await expectFailure(readNode(access), 'auth');
    await write('changes', { user: { token: server.issueToken(masters) } });
    expect(await readNode(access)).toBe('n1');
  });

  test.each<[string, Parts, RegExp]>([
    ['no current context', { change: { 'current-context': undefined } }, /has no current-context/],
    ['a context that is not there', { change: { 'current-context': 'gone' } }, /"gone"/],
    ['no cluster', { change: { clusters: [] } }, /"x" with a cluster/],
    ['no user', { change: { users: [] } }, /no user/],
    ['plain http', { cluster: { server: 'http://127.0.0.1:8080' } }, /only https/],
    ['a proxy', { cluster: { 'proxy-url': 'http://127.0.0.1:3128' } }, /proxy-url/],
  ])('with %s: says so', async (name, parts, message) => {
    const path = await write(`mistake ${name}`, parts);
    const failure = await expectFailure(open(path), 'other');
    expect(failure.message).toContain(path);
    expect(failure.message).toMatch(message);
  });

  test('that is not there, or no YAML: says so', async () => {
    expect((await expectFailure(open(pathOf('none')), 'other')).message).toContain(pathOf('none'));
    await writeFile(pathOf('broken'), '{ unclosed: [');
    expect((await expectFailure(open(pathOf('broken')), 'other')).message).toContain(pathOf('broken'));
  });

  test('whose plugin is not there: says so', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: pathOf('none'), interactiveMode: 'Never' };
    await expectFailure(open(await write('no-plugin', { user: { exec } })), 'auth');
  });
});
