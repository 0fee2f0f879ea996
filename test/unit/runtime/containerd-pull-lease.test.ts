import { beforeEach, describe, expect, it } from 'vitest';
import { createPullLeases } from '../../../agent/runtime/containerd/pull-lease.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';

const hourMs = 3_600_000;
const reference = 'docker.io/library/app:1';
const signal = new AbortController().signal;

interface StoredLease {
  labels: Record<string, string>;
  resources: unknown[];
}

/** containerd's lease service in memory. */
class LeaseServer {
  readonly stored = new Map<string, StoredLease>();
  failWith: Failure | undefined;

  readonly client = {
    unary: async (method: { name: string }, request: never) => await Promise.resolve(this.answer(method.name, request)),
  } as unknown as GrpcClient;

  private answer(method: string, request: { id: string; labels: Record<string, string>; resource: unknown }): unknown {
    if (this.failWith !== undefined) throw this.failWith;
    switch (method) {
      case 'List':
        return { leases: [...this.stored].map(([id, { labels }]) => ({ id, labels })) };
      case 'Create':
        this.stored.set(request.id, { labels: request.labels, resources: [] });
        return {};
      case 'Delete':
        this.stored.delete(request.id);
        return {};
      case 'ListResources':
        return { resources: this.stored.get(request.id)?.resources ?? [] };
      default:
        this.stored.get(request.id)?.resources.push(request.resource);
        return {};
    }
  }
}

describe('pull leases', () => {
  let server: LeaseServer;
  let now: number;

  beforeEach(() => {
    server = new LeaseServer();
    now = Date.parse('2026-01-01T00:00:00Z');
  });
  const leases = () => createPullLeases(server.client, () => now);

  it('last a day and name their reference', async () => {
    const id = await leases().acquire(reference, signal);
    expect(id).toMatch(/^stevedore-[0-9a-f]{16}$/);
    expect(server.stored.get(id ?? '')?.labels).toEqual({
      'stevedore.dev/pull': reference,
      'containerd.io/gc.expire': '2026-01-02T00:00:00.000Z',
    });
  });

  it('are used again by the next pull of the reference, also after a restart of the agent', async () => {
    const first = await leases().acquire(reference, signal);
    now += hourMs;
    expect(await leases().acquire(reference, signal)).toBe(first);
    expect(await leases().acquire('docker.io/library/other:1', signal)).not.toBe(first);
  });

  it('hand what they hold to a new one before they expire under a long pull', async () => {
    const first = (await leases().acquire(reference, signal)) ?? '';
    const resource = { id: 'sha256:aa', type: 'content' };
    server.stored.get(first)?.resources.push(resource);
    now += 13 * hourMs;
    const second = (await leases().acquire(reference, signal)) ?? '';
    expect([...server.stored.keys()]).toEqual([second]);
    expect(second).not.toBe(first);
    expect(server.stored.get(second)?.resources).toEqual([resource]);
    expect(server.stored.get(second)?.labels['containerd.io/gc.expire']).toBe('2026-01-02T13:00:00.000Z');
  });

  it('are discarded for references that are not kept; those of others never', async () => {
    const kept = (await leases().acquire(reference, signal)) ?? '';
    await leases().acquire('docker.io/library/old:1', signal);
    server.stored.set('stevedore-prune-x', { labels: {}, resources: [] });
    server.stored.set('123-abc', { labels: { 'stevedore.dev/pull': 'x' }, resources: [] });
    await leases().discard((name) => name === reference, signal);
    expect([...server.stored.keys()].toSorted()).toEqual(['123-abc', kept, 'stevedore-prune-x'].toSorted());
  });

  it('are done without where containerd gives none, but not where it is gone', async () => {
    server.failWith = new Failure('runtime', 'no leases here');
    expect(await leases().acquire(reference, signal)).toBeUndefined();
    server.failWith = new Failure('runtime', 'gone', { detail: 'unavailable' });
    await expect(leases().acquire(reference, signal)).rejects.toMatchObject({ detail: 'unavailable' });
  });
});
