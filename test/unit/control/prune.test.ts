import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectControl } from '../../../agent/control/control-client.ts';
import { createControlServer } from '../../../agent/control/control-server.ts';
import type { ControlledAgent } from '../../../agent/control/protocol.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { PruneOrder, PruneRoundEvent } from '../../../agent/core/prune-round.ts';

type PruneRound = ControlledAgent['pruneRound'];

const planned: PruneRoundEvent = {
  kind: 'planned',
  dryRun: false,
  images: 1,
  bytes: 10,
  targetBytes: 0,
  shortfallBytes: 0,
};
const done: PruneRoundEvent = {
  kind: 'done',
  outcome: 'partial',
  dryRun: false,
  removed: 1,
  skipped: 1,
  failed: 0,
  shortfallBytes: 5,
  shortfallInodes: 0,
  reclaimedBytes: 10,
  filesystemFreedBytes: 11,
  nominalBytes: 12,
};
const order: PruneOrder = { dryRun: false, tier: 'space', untilFreeBytes: 5e9 };

let folder: string;
let stopping: AbortController;
const signal = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-control-'));
  stopping = new AbortController();
});
afterEach(async () => {
  vi.useRealTimers();
  stopping.abort();
  await rm(folder, { recursive: true, force: true });
});

async function serve(pruneRound: PruneRound): Promise<ReturnType<typeof createControlServer>> {
  const server = createControlServer(folder, {
    plan: () => Promise.reject(),
    followRound: () => Promise.reject(),
    pruneRound,
  });
  await server.start(stopping.signal);
  return server;
}

/** A run that ends only by its signal. */
function untilLeft(told: (leaving: AbortSignal) => void): PruneRound {
  return (_order, onEvent, leaving) => {
    onEvent(planned);
    told(leaving);
    return new Promise((_resolve, reject) =>
      leaving.addEventListener('abort', () => reject(leaving.reason as Error), { once: true }),
    );
  };
}

async function prune(
  asked: PruneOrder,
  onEvent: (event: PruneRoundEvent) => void = () => undefined,
  leaving: AbortSignal = signal,
): ReturnType<PruneRound> {
  const agent = await connectControl(folder, signal);
  if (agent === undefined) throw new Error('nobody answers');
  return await agent.pruneRound(asked, onEvent, leaving);
}

async function post(body: string): Promise<IncomingMessage> {
  const asking = request({ socketPath: join(folder, 'control.sock'), path: '/v1/prune', method: 'POST' }).end(body);
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return response;
}

describe('a prune run over the control socket', () => {
  it.each<[string, PruneOrder]>([
    ['with everything', order],
    ['with nothing', { dryRun: true, tier: undefined, untilFreeBytes: undefined }],
  ])('is asked for as the user ordered it, %s', async (_what, asked) => {
    let heard: PruneOrder | undefined;
    await serve((got) => {
      heard = got;
      return Promise.reject(new Failure('other', 'heard'));
    });
    await expect(prune(asked)).rejects.toThrow('heard');
    expect(heard).toEqual(asked);
  });

  it('brings every event, and the outcome', async () => {
    await serve(async (_order, onEvent) => {
      onEvent(planned);
      await Promise.resolve();
      onEvent(done);
      return 'partial';
    });
    const events: PruneRoundEvent[] = [];
    expect(await prune(order, (event) => events.push(event))).toBe('partial');
    expect(events).toEqual([planned, done]);
  });

  it('brings its failure with code and detail', async () => {
    await serve(() => Promise.reject(new Failure('runtime', 'nobody answers', { detail: 'unavailable' })));
    await expect(prune(order)).rejects.toMatchObject({
      name: 'Failure',
      code: 'runtime',
      detail: 'unavailable',
      message: 'nobody answers',
    });
  });

  it('brings why it broke, also after what it has done', async () => {
    await serve((_order, onEvent) => {
      onEvent(done);
      return Promise.reject(new Failure('runtime', 'nobody answers'));
    });
    const events: PruneRoundEvent[] = [];
    await expect(prune(order, (event) => events.push(event))).rejects.toThrow('nobody answers');
    expect(events).toEqual([done]);
  });

  it('is done when it says so, even if the agent goes away right after', async () => {
    const server = await serve((_order, onEvent) => {
      onEvent(done);
      return new Promise(() => undefined);
    });
    expect(await prune(order, () => void server.stop())).toBe('partial');
  });

  it('is stopped when the client is interrupted', async () => {
    const running = Promise.withResolvers<AbortSignal>();
    await serve(untilLeft(running.resolve));
    const leaving = new AbortController();
    const pruned = prune(order, () => leaving.abort(new Error('interrupted')), leaving.signal);
    await expect(pruned).rejects.toThrow('interrupted');
    const told = await running.promise;
    if (!told.aborted) await once(told, 'abort');
  });

  it('is stopped when the agent goes away, and the client is told', async () => {
    const running = Promise.withResolvers<AbortSignal>();
    const server = await serve(untilLeft(running.resolve));
    await expect(prune(order, () => void server.stop())).rejects.toMatchObject({ name: 'Failure', code: 'other' });
    expect((await running.promise).aborted).toBe(true);
  });

  it('gives a sign of life every ten seconds while one removal takes minutes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const running = Promise.withResolvers<() => void>();
    await serve(async (_order, onEvent) => {
      await new Promise<void>((finish) => running.resolve(finish));
      onEvent(done);
      return 'partial';
    });
    const response = await post('{"dryRun":false}');
    const finish = await running.promise;
    vi.advanceTimersByTime(30_000);
    finish();
    expect(await text(response)).toBe(`\n\n\n${JSON.stringify(done)}\n`);
  });
});

describe('a prune request by hand', () => {
  it.each([
    ['', /not JSON/],
    ['{"dryRun":true', /not JSON/],
    ['[]', /must be a JSON object such as \{"dryRun": true\}/],
    ['null', /must be a JSON object/],
    ['{}', /dryRun: must be true or false/],
    ['{"dryRun":"no"}', /dryRun "no": must be true or false/],
    ['{"dryRun":true,"teir":"age"}', /teir "age": there is no such key/],
    ['{"dryRun":true,"tier":"all"}', /tier "all": must be one of age, space, critical/],
    ['{"dryRun":true,"tier":null}', /tier null: must be one of/],
    ['{"dryRun":true,"untilFreeBytes":"50Gi"}', /untilFreeBytes "50Gi": must be a whole number of bytes above 0/],
    ['{"dryRun":true,"untilFreeBytes":0}', /untilFreeBytes 0: must be/],
    ['{"dryRun":true,"untilFreeBytes":1.5}', /untilFreeBytes 1.5: must be/],
    ['{"dryRun":true,"untilFreeBytes":1e30}', /untilFreeBytes 1e\+30: must be/],
  ])('%j is refused with key, value and rule, and nothing runs', async (body, message) => {
    let ran = false;
    await serve(() => {
      ran = true;
      return Promise.resolve('noop');
    });
    const response = await post(body);
    const answer = JSON.parse(await text(response)) as { kind: string; message: string };
    expect({ status: response.statusCode, kind: answer.kind, ran }).toEqual({ status: 400, kind: 'error', ran: false });
    expect(answer.message).toMatch(message);
  });

  it.each([2_000, 5_000_000])('of %i bytes is refused for its size, however valid', async (bytes) => {
    let ran = false;
    await serve(() => {
      ran = true;
      return Promise.resolve('noop');
    });
    const response = await post(`{"dryRun":true}${' '.repeat(bytes)}`);
    expect(response.statusCode).toBe(413);
    expect(await text(response)).toContain('the prune request has more than 1024 bytes');
    expect(ran).toBe(false);
  });
});
