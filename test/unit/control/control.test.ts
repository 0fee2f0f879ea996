import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectControl } from '../../../agent/control/control-client.ts';
import { createControlServer } from '../../../agent/control/control-server.ts';
import type { ControlledAgent } from '../../../agent/control/protocol.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { PlanDocument } from '../../../agent/core/plan-document.ts';
import type { PullRoundEvent } from '../../../agent/core/pull-round.ts';

const plan = { version: 1, generatedAt: '2026-01-02T03:04:05.000Z' } as PlanDocument;
const started: PullRoundEvent = { kind: 'started', reference: 'r/a:1', totalBytes: 10 };
const done: PullRoundEvent = { kind: 'done', outcome: 'success', pulled: 1, failed: 0, waiting: 0, present: 2 };

let folder: string;
let stopping: AbortController;
const signal = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-control-'));
  stopping = new AbortController();
});
afterEach(async () => {
  stopping.abort();
  await rm(folder, { recursive: true, force: true });
});

async function serve(agent: Partial<ControlledAgent>): Promise<ReturnType<typeof createControlServer>> {
  const server = createControlServer(folder, {
    plan: () => Promise.resolve(plan),
    followRound: () => Promise.reject(new Error('not asked for')),
    pruneRound: () => Promise.reject(new Error('not asked for')),
    ...agent,
  });
  await server.start(stopping.signal);
  return server;
}

async function connected(): Promise<ControlledAgent> {
  const agent = await connectControl(folder, signal);
  if (agent === undefined) throw new Error('nobody answers');
  return agent;
}

describe('the control socket', () => {
  it('gives the plan of the agent', async () => {
    await serve({});
    expect(await (await connected()).plan(signal)).toEqual(plan);
  });

  it('waits for a plan that takes longer than the 5 s that Node gives a connection by itself', async () => {
    await serve({ plan: () => new Promise((resolve) => setTimeout(() => resolve(plan), 5_300)) });
    expect(await (await connected()).plan(signal)).toEqual(plan);
  }, 20_000);

  it('is for its owner alone, also in a folder that others may enter', async () => {
    await chmod(folder, 0o755);
    await serve({});
    expect((await stat(join(folder, 'control.sock'))).mode & 0o777).toBe(0o600);
  });

  it('brings every event of a round, and its outcome', async () => {
    await serve({
      followRound: async (onEvent) => {
        onEvent(started);
        await Promise.resolve();
        onEvent(done);
        return 'success';
      },
    });
    const events: PullRoundEvent[] = [];
    expect(await (await connected()).followRound((event) => events.push(event), signal)).toBe('success');
    expect(events).toEqual([started, done]);
  });

  it('speaks JSON lines over HTTP, for whoever asks by hand', async () => {
    await serve({
      followRound: (onEvent) => {
        onEvent(done);
        return Promise.resolve('success');
      },
    });
    const asking = request({ socketPath: join(folder, 'control.sock'), path: '/v1/pull', method: 'POST' }).end();
    const [response] = (await once(asking, 'response')) as [
      NodeJS.ReadableStream & { headers: Record<string, string> },
    ];
    expect(response.headers['content-type']).toBe('application/x-ndjson');
    expect(await text(response)).toBe(`${JSON.stringify(done)}\n`);
  });

  it.each([
    ['before its first event', []],
    ['after it', [started]],
  ])('brings the failure of a round %s with its code', async (_when, first) => {
    await serve({
      followRound: (onEvent) => {
        for (const event of first) onEvent(event);
        return Promise.reject(new Failure('runtime', 'nobody answers', { detail: 'unavailable' }));
      },
    });
    const events: PullRoundEvent[] = [];
    await expect((await connected()).followRound((event) => events.push(event), signal)).rejects.toMatchObject({
      name: 'Failure',
      code: 'runtime',
      detail: 'unavailable',
      message: 'nobody answers',
    });
    expect(events).toEqual(first);
  });

  it('brings the failure of a plan with its code', async () => {
    await serve({ plan: () => Promise.reject(new Failure('timeout', 'too slow')) });
    await expect((await connected()).plan(signal)).rejects.toMatchObject({ code: 'timeout', message: 'too slow' });
  });

  it('ends only the watching when the watcher leaves', async () => {
    const watching = Promise.withResolvers<AbortSignal>();
    await serve({
      followRound: (onEvent, leaving) => {
        onEvent(started);
        watching.resolve(leaving);
        return new Promise((_resolve, reject) =>
          leaving.addEventListener('abort', () => reject(leaving.reason as Error)),
        );
      },
    });
    const leaving = new AbortController();
    const followed = (await connected()).followRound(() => leaving.abort(new Error('seen enough')), leaving.signal);
    await expect(followed).rejects.toThrow('seen enough');
    const told = await watching.promise;
    if (!told.aborted) await once(told, 'abort');
    expect(await (await connected()).plan(signal)).toEqual(plan);
  });

  it('tells the watcher when the agent goes away midway', async () => {
    const server = await serve({
      followRound: (onEvent, leaving) => {
        onEvent(started);
        return new Promise((_resolve, reject) =>
          leaving.addEventListener('abort', () => reject(leaving.reason as Error)),
        );
      },
    });
    const followed = (await connected()).followRound(() => void server.stop(), signal);
    await expect(followed).rejects.toMatchObject({ name: 'Failure', code: 'other' });
  });

  it('is nobody there without an agent: no folder, no socket, a stale socket, a file', async () => {
    expect(await connectControl(join(folder, 'missing'), signal)).toBeUndefined();
    expect(await connectControl(folder, signal)).toBeUndefined();
    await leaveStaleSocket();
    expect(await connectControl(folder, signal)).toBeUndefined();
    await rm(join(folder, 'control.sock'));
    await writeFile(join(folder, 'control.sock'), '');
    expect(await connectControl(folder, signal)).toBeUndefined();
  });

  it('replaces a stale socket, and takes its own away when it stops', async () => {
    await leaveStaleSocket();
    const server = await serve({});
    expect(await (await connected()).plan(signal)).toEqual(plan);
    await server.stop();
    await expect(stat(join(folder, 'control.sock'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await connectControl(folder, signal)).toBeUndefined();
  });

  it('names the limit when the path is too long for a socket', async () => {
    const long = join(folder, 'x'.repeat(100));
    const server = createControlServer(long, {
      plan: () => Promise.resolve(plan),
      followRound: () => Promise.reject(),
      pruneRound: () => Promise.reject(),
    });
    await expect(server.start(stopping.signal)).rejects.toThrow(/longer than the 107 bytes/);
    expect(await connectControl(long, signal)).toBeUndefined();
  });

  it('refuses what it does not know', async () => {
    await serve({});
    const asking = request({ socketPath: join(folder, 'control.sock'), path: '/v1/frob', method: 'POST' }).end();
    const [response] = (await once(asking, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
    expect(response.statusCode).toBe(404);
    expect(await text(response)).toContain('this agent does not know POST /v1/frob');
  });
});

/** As a killed agent leaves it: a socket file on which nobody listens. */
async function leaveStaleSocket(): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(join(folder, 'control.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
}
