import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createDockerRuntime } from '../../agent/runtime/docker/docker-runtime.ts';
import type { PullProgress, Runtime } from '../../agent/runtime/runtime.ts';
import { makeFolder } from '../harness/folder.ts';
import { expectUnavailable, failureOf, pull, soon, toRequest } from './helpers.ts';

const reference = 'registry.example.test/team/app:1';
const imageId = `sha256:${'a'.repeat(64)}`;
const layer = '0123456789ab';

type Answer = (response: ServerResponse) => void | Promise<void>;

/** A socket that answers as dockerd does; `answer` writes the pull's stream, after its 200. */
async function withDocker(answer: Answer, test: (runtime: Runtime) => Promise<void>): Promise<void> {
  const folder = await makeFolder('stv-s');
  const socket = join(folder.path, 'docker.sock');
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '');
    if (path.startsWith('/images/create')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      void answer(response);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ Id: imageId, RepoTags: [reference], RepoDigests: [], RootFS: { Layers: [] } }));
  });
  server.listen(socket);
  await once(server, 'listening');
  const runtime = createDockerRuntime({ endpoint: `unix://${socket}` });
  try {
    await test(runtime);
  } finally {
    runtime.close();
    server.closeAllConnections();
    server.close();
    await folder.remove();
  }
}

function toLines(...lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\r\n`).join('');
}

const downloading = { status: 'Downloading', id: layer, progressDetail: { current: 10, total: 100 } };

describe("dockerd's pull stream", () => {
  it.each([
    { message: 'toomanyrequests: You have reached your pull rate limit', code: 'rate_limited' },
    { message: 'write /data/tmp/GetImageBlob1: no space left on device', code: 'no_space' },
    { message: 'unauthorized: authentication required', code: 'auth' },
    { message: 'manifest unknown: manifest unknown', code: 'not_found' },
    { message: 'dial tcp 192.0.2.1:443: connect: connection refused', code: 'network' },
    { message: 'received unexpected HTTP status: 502 Bad Gateway', code: 'upstream' },
  ])(
    'fails with $code on an error line after a 200, though dockerd ends it as if all were well',
    async ({ message, code }) => {
      const lines = toLines(downloading, { errorDetail: { message }, error: message });
      await withDocker(
        (response) => void response.end(lines),
        async (runtime) => expect(await failureOf(pull(runtime, reference))).toMatchObject({ code }),
      );
    },
  );

  it('believes an error line that has no detail, and one that is not the last', async () => {
    const lines = toLines({ error: 'unexpected EOF' }, { status: `Status: Downloaded newer image for ${reference}` });
    await withDocker(
      (response) => void response.end(lines),
      async (runtime) => expect(await failureOf(pull(runtime, reference))).toMatchObject({ code: 'network' }),
    );
  });

  it('reads lines that are cut anywhere, also within a character', async () => {
    const lines = Buffer.from(
      toLines({ status: 'Pulling from tëam/äpp' }, downloading, {
        ...downloading,
        progressDetail: { current: 100, total: 100 },
      }),
    );
    const seen: PullProgress[] = [];
    await withDocker(
      async (response) => {
        for (const byte of lines) {
          response.write(Buffer.of(byte));
          await new Promise(setImmediate);
        }
        response.end();
      },
      async (runtime) => {
        expect(await pull(runtime, reference, { onProgress: (progress) => seen.push(progress) })).toBe(imageId);
      },
    );
    expect(seen.at(-1)).toEqual({ downloadedBytes: 100, totalBytes: 100 });
  });

  it('is no success when the connection breaks without an error line', async () => {
    await withDocker(
      (response) => void response.write(toLines(downloading), () => response.destroy()),
      async (runtime) => expectUnavailable(pull(runtime, reference)),
    );
  });

  it('is closed by an abort: that is what stops dockerd', async () => {
    const closed = Promise.withResolvers<void>();
    const controller = new AbortController();
    const reason = new Error('no longer desired');
    await withDocker(
      (response) => {
        response.on('close', () => closed.resolve());
        response.write(toLines(downloading), () => controller.abort(reason));
      },
      async (runtime) => {
        await expect(runtime.pull(toRequest(reference), AbortSignal.any([controller.signal, soon()]))).rejects.toBe(
          reason,
        );
        await closed.promise;
      },
    );
  });
});
