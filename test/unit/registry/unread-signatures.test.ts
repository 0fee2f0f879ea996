/** What is told of signatures that may be there and are not in the answer, with the words of Harbor 2.15.2. */

import { expect, test } from 'vitest';
import type { Failure } from '../../../agent/core/failure.ts';
import type { StoredSignature } from '../../../agent/registry/image-source.ts';
import { amd64 } from './images.ts';
import { clientOf, never, plain, referenceOf, startServer } from './setup.ts';
import { buildSourceIndex, SourceRepository, toSignatureManifest } from './source-images.ts';
import type { Answer } from './stub-server.ts';

const simple: StoredSignature = { kind: 'simple', payload: Buffer.from('{"critical":{}}'), signature: 'MEQ=' };
const refuse = (code: string, message: string): Answer => ({ status: 404, body: { errors: [{ code, message }] } });
const fromUpstream = refuse('NOT_FOUND', 'resource not found: repo px/app/web, tag x not found');
const fromFallback = refuse('NOT_FOUND', 'repository px/app/web not found');
const unknownBlob = refuse('BLOB_UNKNOWN', 'blob unknown to registry');

async function start() {
  const server = await startServer();
  const repository = new SourceRepository('app/web');
  server.use(repository.handler);
  const one = buildSourceIndex('one', [amd64]);
  repository.push('v1', one);
  const { digest } = one.source;
  server.on('GET', `/v2/app/web/referrers/${digest}`, { status: 200, body: { schemaVersion: 2, manifests: [] } });
  const unread: Failure[] = [];
  const registry = clientOf([plain(server)]);
  const read = () =>
    registry.readSignatures(referenceOf(server), digest, [], never, (failure) => void unread.push(failure));
  return { server, repository, digest, unread, read };
}

test.each<[string, Answer, readonly object[]]>([
  ['is not there by the word of the upstream: nothing', fromUpstream, []],
  ['is not in the cache: that', fromFallback, [{ code: 'not_found', detail: 'not_found_proxy' }]],
])('where the tag %s', async (_, answer, told) => {
  const { server, digest, unread, read } = await start();
  server.on('GET', `/v2/app/web/manifests/${digest.replace(':', '-')}.sig`, answer);
  expect(await read()).toEqual([]);
  expect(unread).toMatchObject(told);
});

test('a signature whose payload is not there, which its manifest names', async () => {
  const { server, repository, digest, unread, read } = await start();
  repository.sign(digest, simple);
  expect(await read()).toEqual([simple]);
  expect(unread).toEqual([]);
  server.on('GET', `/v2/app/web/blobs/${toSignatureManifest(digest, simple).blob.digest}`, unknownBlob);
  expect(await read()).toEqual([]);
  expect(unread).toMatchObject([{ code: 'not_found' }]);
});
