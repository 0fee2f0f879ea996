import { execFile } from 'node:child_process';
import { inspect, promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Credential } from '../../../agent/core/credentials.ts';
import type { PullProgress, PullRequest } from '../../../agent/runtime/runtime.ts';
import { type Answer, json, lines, startDockerDaemon } from './docker-daemon.ts';

const reference = 'harbor.example.com/ml/base:1';
const imageId = `sha256:${'c'.repeat(64)}`;
const inspected = json({ Id: imageId, RepoTags: [reference], RepoDigests: [], RootFS: { Layers: [] } });
const layerA = `sha256:aaaaaaaaaaaa${'0'.repeat(52)}`;
const layerB = `sha256:bbbbbbbbbbbb${'0'.repeat(52)}`;
const never = new AbortController().signal;

function daemon(create: Answer) {
  return startDockerDaemon({ 'POST /images/create': create, [`GET /images/${reference}/json`]: inspected });
}

function request(parts: Partial<PullRequest> = {}): PullRequest & { readonly seen: PullProgress[] } {
  const seen: PullProgress[] = [];
  const onProgress = (progress: PullProgress): number => seen.push(progress);
  return { reference, credential: undefined, expected: undefined, onProgress, ...parts, seen };
}

const downloading = (id: string, current: number, total: number) => ({
  status: 'Downloading',
  id,
  progressDetail: { current, total },
});

describe('pull', () => {
  it('asks for the name and its tag, and returns the id that the name has then', async () => {
    await using docker = await daemon(lines({ status: 'Pulling from ml/base', id: '1' }));

    expect(await docker.runtime.pull(request(), never)).toEqual({ imageId });
    expect(docker.requests[0]).toBe('POST /images/create?fromImage=harbor.example.com/ml/base&tag=1');
  });

  it('asks for a digest as the tag', async () => {
    const byDigest = `harbor.example.com/ml/base@${layerA}`;
    await using docker = await startDockerDaemon({
      'POST /images/create': lines(),
      [`GET /images/${byDigest}/json`]: inspected,
    });

    await docker.runtime.pull(request({ reference: byDigest }), never);
    expect(docker.requests[0]).toBe(`POST /images/create?fromImage=harbor.example.com/ml/base&tag=${layerA}`);
  });

  it('sends a credential with the host that it is for, and none where none is given', async () => {
    const headers: unknown[] = [];
    await using docker = await daemon((response, { headers: sent }) => {
      headers.push(sent['x-registry-auth']);
      response.end();
    });

    await docker.runtime.pull(request(), never);
    await docker.runtime.pull(
      request({ credential: new Credential('harbor.example.com', 'robot$ml', 'sü?cret>>') }),
      never,
    );

    expect(headers[0]).toBeUndefined();
    expect(JSON.parse(Buffer.from(String(headers[1]), 'base64url').toString())).toEqual({
      username: 'robot$ml',
      password: 'sü?cret>>',
      serveraddress: 'harbor.example.com',
    });
  });

  it('fails when the stream carries an error line, although dockerd answered 200', async () => {
    await using docker = await daemon(
      lines(downloading('aaaaaaaaaaaa', 1, 2), {
        errorDetail: { message: 'toomanyrequests: slow down' },
        error: 'toomanyrequests: slow down',
      }),
    );

    await expect(docker.runtime.pull(request(), never)).rejects.toMatchObject({
      name: 'Failure',
      code: 'rate_limited',
      message: 'toomanyrequests: slow down',
    });
  });

  it('fails with the reason when dockerd refuses at once', async () => {
    await using docker = await daemon(json({ message: 'manifest for x not found: manifest unknown' }, 404));

    await expect(docker.runtime.pull(request(), never)).rejects.toMatchObject({
      code: 'not_found',
      message: 'manifest for x not found: manifest unknown',
    });
  });

  it('reads lines wherever the chunks end, also inside a character', async () => {
    const text = `${JSON.stringify({ status: 'Pulling from ü€😀', id: '1' })}\n${JSON.stringify({ error: 'kein Platz für ü€😀: no space left on device' })}`;
    await using docker = await daemon(async (response) => {
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      response.end();
    });

    await expect(docker.runtime.pull(request(), never)).rejects.toMatchObject({
      code: 'no_space',
      message: 'kein Platz für ü€😀: no space left on device',
    });
  });

  it('fails when what comes is not JSON', async () => {
    await using docker = await daemon((response) => response.end('{"status":"Pul'));

    await expect(docker.runtime.pull(request(), never)).rejects.toMatchObject({ code: 'runtime' });
  });

  it('says that the runtime is unavailable when dockerd dies in the middle', async () => {
    const docker = await daemon((response) => response.write(`${JSON.stringify({ status: 'Waiting', id: 'a' })}\n`));
    await using _ = docker;
    const pulled = docker.runtime.pull(request({ onProgress: () => docker.dieNow() }), never);

    await expect(pulled).rejects.toMatchObject({ code: 'runtime', detail: 'unavailable' });
  });

  it('fails when dockerd reports success but has no such image', async () => {
    await using docker = await startDockerDaemon({ 'POST /images/create': lines({ status: 'Status: done' }) });

    await expect(docker.runtime.pull(request(), never)).rejects.toMatchObject({ code: 'runtime', detail: undefined });
  });

  it('closes the connection on an abort, which stops dockerd, and rejects with the reason', async () => {
    const closed = Promise.withResolvers<void>();
    await using docker = await daemon((response) => {
      response.write(`${JSON.stringify(downloading('aaaaaaaaaaaa', 1, 2))}\n`);
      response.on('close', () => closed.resolve());
    });
    const controller = new AbortController();
    const reason = new Error('no longer desired');
    const pulled = docker.runtime.pull(request({ onProgress: () => controller.abort(reason) }), controller.signal);

    await expect(pulled).rejects.toBe(reason);
    await closed.promise;
  });

  it('does not begin when the signal has fired already', async () => {
    await using docker = await daemon(lines());
    const reason = new Error('too late');

    await expect(docker.runtime.pull(request(), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(docker.requests).toEqual([]);
  });

  it('shows no password in an inspection of what it throws', async () => {
    await using docker = await daemon(json({ message: 'unauthorized: authentication required' }, 500));
    const credential = new Credential('harbor.example.com', 'robot', 'hunter2');

    const error = await docker.runtime.pull(request({ credential }), never).catch((thrown: unknown) => thrown);
    const shown = inspect(error, { depth: null, showHidden: true });
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain(Buffer.from('hunter2').toString('base64').slice(0, 6));
  });
});

describe('the debug log of the client library', () => {
  it('shows no password', async () => {
    await using docker = await daemon(lines());
    const module = new URL('../../../agent/runtime/docker/docker-client.ts', import.meta.url).href;
    const script = `
      const { createDockerClient } = await import(${JSON.stringify(module)});
      const client = createDockerClient(${JSON.stringify(docker.socketPath)});
      const auth = { username: 'robot', password: 'hunter2', serveraddress: 'h' };
      const signal = new AbortController().signal;
      await client.call({ method: 'POST', path: '/images/create', query: { fromImage: 'x' }, auth }, 5000, signal);
      client.close();`;
    const options = { env: { ...process.env, DEBUG: 'modem' } };
    const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options);

    expect(docker.requests).toHaveLength(1);
    expect(stderr).toContain('/images/create');
    const sent = Buffer.from('{"username":"robot","password":"hunter2"').toString('base64url');
    expect(stderr).not.toContain(sent.slice(30, 50));
    expect(stderr).not.toContain('hunter2');
  });
});

describe('progress of a pull', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('counts against the sizes of the manifest, layers that are there already included', async () => {
    const expected = [
      { digest: imageId, sizeBytes: 5 },
      { digest: layerA, sizeBytes: 100 },
      { digest: layerB, sizeBytes: 1000 },
    ];
    const pull = request({ expected });
    await using docker = await daemon(
      oneByOne(
        pull,
        { status: 'Pulling from ml/base', id: '1' },
        { status: 'Already exists', id: 'aaaaaaaaaaaa' },
        downloading('bbbbbbbbbbbb', 400, 1000),
        { status: 'Download complete', id: 'bbbbbbbbbbbb' },
      ),
    );

    await docker.runtime.pull(pull, never);
    expect(pull.seen).toEqual([
      { downloadedBytes: 0, totalBytes: 1105 },
      { downloadedBytes: 100, totalBytes: 1105 },
      { downloadedBytes: 500, totalBytes: 1105 },
      { downloadedBytes: 1100, totalBytes: 1105 },
      { downloadedBytes: 1105, totalBytes: 1105 },
    ]);
  });

  it('without a manifest takes the sizes from the stream, and has no total until it knows all of them', async () => {
    const pull = request();
    await using docker = await daemon(
      oneByOne(
        pull,
        { status: 'Pulling fs layer', id: 'aaaaaaaaaaaa' },
        downloading('bbbbbbbbbbbb', 400, 1000),
        downloading('aaaaaaaaaaaa', 10, 100),
        { status: 'Extracting', id: 'bbbbbbbbbbbb', progressDetail: { current: 1, total: 1000 } },
      ),
    );

    await docker.runtime.pull(pull, never);
    expect(pull.seen.slice(0, 4)).toEqual([
      { downloadedBytes: 0, totalBytes: undefined },
      { downloadedBytes: 400, totalBytes: undefined },
      { downloadedBytes: 410, totalBytes: 1100 },
      { downloadedBytes: 1010, totalBytes: 1100 },
    ]);
    expect(pull.seen.at(-1)).toEqual({ downloadedBytes: 1100, totalBytes: 1100 });
  });

  it('is told at most ten times a second, and the last state is never lost', async () => {
    const pull = request();
    await using docker = await daemon((response) => {
      for (let bytes = 1; bytes <= 500; bytes++) {
        response.write(`${JSON.stringify(downloading('aaaaaaaaaaaa', bytes, 1000))}\n`);
      }
    });
    const controller = new AbortController();
    const pulled = docker.runtime.pull(pull, controller.signal);
    pulled.catch(() => undefined);

    // The stream has gone silent with a layer half done: that state has to arrive although no line follows.
    await vi.waitFor(() => expect(pull.seen.at(-1)).toEqual({ downloadedBytes: 500, totalBytes: 1000 }));
    expect(pull.seen.length).toBeLessThan(10);
    controller.abort();
    await expect(pulled).rejects.toThrow();
  });
});

/** Each line after the one before was told; `waitFor` moves the fake clock. */
function oneByOne(pull: { readonly seen: readonly PullProgress[] }, ...values: readonly object[]): Answer {
  return async (response) => {
    for (const [index, value] of values.entries()) {
      response.write(`${JSON.stringify(value)}\n`);
      await vi.waitFor(() => expect(pull.seen.length).toBeGreaterThan(index));
    }
    response.end();
  };
}
