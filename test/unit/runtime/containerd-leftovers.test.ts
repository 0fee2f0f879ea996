import { beforeEach, describe, expect, it } from 'vitest';
import { leftoverKinds } from '../../../agent/core/leftovers.ts';
import { createLeftovers, type Leftovers } from '../../../agent/runtime/containerd/leftovers.ts';
import { listNamespaceLeftovers } from '../../../agent/runtime/containerd/namespace-leftovers.ts';
import type { Leftover, LeftoverKind } from '../../../agent/runtime/runtime.ts';
import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';
import { ContainerdServer, snapshotter } from './containerd-server.ts';

const never = new AbortController().signal;
const now = Date.parse('2026-03-01T12:00:00Z');
const root = { 'containerd.io/gc.root': '2026-01-01T00:00:00Z' };
const expiring = (at: string): Record<string, string> => ({ 'containerd.io/gc.expire': at });

describe('leftovers in containerd', () => {
  let server: ContainerdServer;
  let leftovers: Leftovers;

  beforeEach(() => {
    server = new ContainerdServer();
    server.now = () => now;
    leftovers = createLeftovers(server.client, () => Promise.resolve(snapshotter), 'k8s.io', server.now);
  });

  async function list(kind: LeftoverKind): Promise<readonly Leftover[]> {
    return await leftovers.list(new Set([kind]), never);
  }

  async function only(kind: LeftoverKind): Promise<Leftover> {
    const [found, ...others] = await list(kind);
    if (found === undefined || others.length > 0) throw new Error(`expected one ${kind}`);
    return found;
  }

  function lease(id: string, labels: Record<string, string>, resource?: { id: string; type: string }): void {
    server.leases.set(id, { labels, resources: resource === undefined ? [] : [resource] });
  }

  it('are only looked for where they are asked for', async () => {
    expect(await leftovers.list(new Set(leftoverKinds.filter((kind) => kind.includes('_'))), never)).toEqual([]);
    expect(server.calls).toEqual([]);
  });

  describe('ingests', () => {
    const updatedAt = now - 3_600_000;

    it('are those that no living lease holds', async () => {
      server.ingests.set('layer-a', { offset: '500', updatedAt });
      server.ingests.set('layer-b', { offset: '600', updatedAt });
      server.ingests.set('layer-c', { offset: '700', updatedAt });
      lease('pull', expiring('2026-03-02T00:00:00Z'), { id: 'layer-b', type: 'ingests' });
      lease('for ever', {}, { id: 'layer-c', type: 'ingests' });
      lease('over', expiring('2026-03-01T00:00:00Z'), { id: 'layer-a', type: 'ingests' });
      const found = { kind: 'ingest', id: 'layer-a', name: 'layer-a', bytes: 500, unusedSince: updatedAt };
      expect(await list('ingest')).toEqual([found]);
    });

    it('are dropped unless somebody writes them after all', async () => {
      server.ingests.set('layer-a', { offset: '500', updatedAt });
      const leftover = await only('ingest');
      server.ingests.set('layer-a', { offset: '501', updatedAt: now });
      expect(await leftovers.remove(leftover, never)).toBe('in_use');
      lease('pull', {}, { id: 'layer-a', type: 'ingests' });
      expect(await leftovers.remove({ ...leftover, unusedSince: now }, never)).toBe('in_use');
      server.leases.clear();
      expect(await leftovers.remove({ ...leftover, unusedSince: now }, never)).toBe('removed');
      expect(server.ingests.size).toBe(0);
      expect(await leftovers.remove(leftover, never)).toBe('absent');
    });
  });

  describe('leases', () => {
    it('are those whose time is over, and go with what they hold', async () => {
      lease('living', expiring('2026-03-01T12:00:01Z'));
      lease('for ever', {});
      lease('unreadable', expiring('tomorrow'));
      lease('over', expiring('2026-03-01T11:00:00Z'));
      const unusedSince = Date.parse('2026-03-01T11:00:00Z');
      const leftover = { kind: 'lease', id: 'over', name: 'over', bytes: undefined, unusedSince } as const;
      expect(await list('lease')).toEqual([leftover]);
      expect(await leftovers.remove({ ...leftover, id: 'living' }, never)).toBe('in_use');
      expect(await leftovers.remove(leftover, never)).toBe('removed');
      expect([...server.leases.keys()]).toEqual(['living', 'for ever', 'unreadable']);
      expect(await leftovers.remove(leftover, never)).toBe('absent');
    });
  });

  describe('snapshots', () => {
    function snapshot(name: string, parent = '', labels: Record<string, string> = root): void {
      server.snapshots.set(name, { parent, kind: 3, labels: { ...labels } });
    }

    it('are roots that neither image nor container nor lease names', async () => {
      snapshot('orphan');
      expect(await list('snapshot')).toEqual([
        { kind: 'snapshot', id: 'orphan', name: 'orphan', bytes: 4096, unusedSince: undefined },
      ]);
    });

    it.each([
      ['a container writes to', () => server.containers.set('c', { image: '', snapshot_key: 'child' })],
      [
        'an image is unpacked to',
        () =>
          server.blobs.set('config', {
            size: '1',
            labels: { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: 'child' },
          }),
      ],
      [
        'a record names',
        () =>
          server.records.set('app', {
            labels: { [`containerd.io/gc.ref.snapshot.${snapshotter}/a`]: 'child' },
            target: { media_type: '', digest: '', size: '0' },
          }),
      ],
      ['a lease holds', () => lease('build', {}, { id: 'child', type: `snapshots/${snapshotter}` })],
    ])('are never what %s, nor what that stands on', async (_, use) => {
      snapshot('below');
      snapshot('child', 'below');
      const before = await list('snapshot');
      expect(before.map(({ id }) => id)).toEqual(['below', 'child']);
      use();
      expect(await list('snapshot')).toEqual([]);
      for (const leftover of before.toReversed()) expect(await leftovers.remove(leftover, never)).toBe('in_use');
      expect([...server.snapshots.keys()]).toEqual(['below', 'child']);
    });

    it('without a mark are left to the collector', async () => {
      snapshot('soon gone', '', {});
      expect(await list('snapshot')).toEqual([]);
    });

    it('go one by one, the upper ones first', async () => {
      snapshot('below');
      snapshot('child', 'below');
      const [below, child] = await list('snapshot');
      if (below === undefined || child === undefined) throw new Error('not listed');
      expect(await leftovers.remove(below, never)).toBe('in_use');
      expect(await leftovers.remove(child, never)).toBe('removed');
      expect(await leftovers.remove(below, never)).toBe('removed');
      expect(await leftovers.remove(below, never)).toBe('absent');
    });
  });

  describe('other namespaces', () => {
    const blobs: Record<string, readonly string[]> = {
      'k8s.io': ['a', 'b'],
      moby: ['b', 'c', 'd'],
      buildkit: ['d', 'e'],
    };
    const layers: Record<string, readonly string[]> = { 'k8s.io': ['x'], moby: ['y', 'z'], buildkit: [] };
    const client = {
      unary: (method: { name: string }) =>
        Promise.resolve(
          method.name === 'List'
            ? { namespaces: Object.keys(blobs).map((name) => ({ name })) }
            : { size: '8192', inodes: '1' },
        ),
      stream: async function* (
        method: { service: string },
        _request: object,
        _signal: AbortSignal,
        options: { headers: Record<string, string> },
      ) {
        await Promise.resolve();
        const namespace = options.headers['containerd-namespace'] ?? '';
        if (method.service.endsWith('Content'))
          yield { info: (blobs[namespace] ?? []).map((digest) => ({ digest, size: '5000' })) };
        else yield { info: (layers[namespace] ?? []).map((name) => ({ name, parent: '' })) };
      },
    } as unknown as GrpcClient;

    it('are told with what is theirs alone, in blocks, and never removed', async () => {
      expect(await listNamespaceLeftovers(client, snapshotter, 'k8s.io', never)).toEqual([
        { kind: 'namespace', id: 'moby', name: 'moby', bytes: 8_192 + 2 * 8_192, unusedSince: undefined },
        { kind: 'namespace', id: 'buildkit', name: 'buildkit', bytes: 8_192, unusedSince: undefined },
      ]);
      const moby = { kind: 'namespace', id: 'moby', name: 'moby', bytes: 0, unusedSince: undefined } as const;
      expect(await leftovers.remove(moby, never)).toBe('in_use');
    });
  });
});
