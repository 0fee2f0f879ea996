/** The object storage that blobs are redirected to: another host, which must not see Harbor's credentials. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Backend } from './backend.ts';

export interface StorageRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly hasAuthorization: boolean;
}

export interface StorageHost {
  /** `localhost:PORT`: another name than Harbor's, so that clients take it for another host. */
  readonly host: string;
  /** Oldest first. */
  readonly requests: StorageRequest[];
  /** Where a blob of a repository lies. */
  locate(repository: string, digest: string): string;
  stop(): Promise<void>;
}

export async function startStorageHost(storage: Backend): Promise<StorageHost> {
  const requests: StorageRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', headers } = incoming;
    const url = new URL(incoming.url ?? '', 'http://localhost');
    const { range, authorization } = headers;
    requests.push({ method, path: url.pathname, range, hasAuthorization: authorization !== undefined });
    const hex = /sha256\/..\/([0-9a-f]{64})\/data$/.exec(url.pathname)?.[1] ?? '';
    const path = `/v2/${url.searchParams.get('repository') ?? ''}/blobs/sha256:${hex}`;
    const serve = async (): Promise<void> => {
      const answer = await storage.open({ method, path, headers: { range } });
      const { 'content-length': length, 'content-range': part, 'content-type': type } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 500, {
        'Content-Type': type ?? 'application/octet-stream',
        'Accept-Ranges': 'bytes',
        ...(length === undefined ? {} : { 'Content-Length': length }),
        ...(part === undefined ? {} : { 'Content-Range': part }),
      });
      await pipeline(answer, outgoing);
    };
    serve().catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  return {
    host,
    requests,
    locate: (repository, digest) => {
      const hex = digest.slice('sha256:'.length);
      const path = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
      return `http://${host}${path}?repository=${encodeURIComponent(repository)}`;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
