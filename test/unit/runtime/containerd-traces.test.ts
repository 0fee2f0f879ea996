import { describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { TraceKind } from '../../../agent/core/uninstall-round.ts';
import { removeContainerdTraces } from '../../../agent/runtime/containerd/traces.ts';
import { ContainerdServer, snapshotter } from './containerd-server.ts';

const never = new AbortController().signal;
const target = { media_type: 'm', digest: 'sha256:1', size: '1' };
const kubelet = 'io.cri-containerd.pinned';
const owner = 'stevedore.dev/pinned';
const tie = 'containerd.io/gc.ref.content.stevedore.';

function take(server: ContainerdServer, kind: TraceKind): Promise<number> {
  return removeContainerdTraces(server.client, kind, snapshotter, never);
}

describe('traces in containerd', () => {
  it('pins: ours go whole, what is left of ours goes, those of others stay', async () => {
    const server = new ContainerdServer();
    const records = {
      ours: { [kubelet]: 'pinned', [owner]: 'true', note: 'kept' },
      remains: { [owner]: 'true' },
      changed: { [kubelet]: 'by-somebody', [owner]: 'true' },
      theirs: { [kubelet]: 'pinned' },
      bare: {},
    };
    for (const [name, labels] of Object.entries(records)) server.records.set(name, { labels, target });
    expect(await take(server, 'pins')).toBe(3);
    expect(Object.fromEntries([...server.records].map(([name, { labels }]) => [name, labels]))).toEqual({
      ours: { note: 'kept' },
      remains: {},
      changed: { [kubelet]: 'by-somebody' },
      theirs: { [kubelet]: 'pinned' },
      bare: {},
    });
    expect(await take(server, 'pins')).toBe(0);
  });

  it('leases: all of ours go, also of a journal that nobody can read, and what only they hold; those of others stay', async () => {
    const server = new ContainerdServer();
    const lease = (id: string, labels: Record<string, string>, blob?: string): void => {
      const expire = { 'containerd.io/gc.expire': '2999-01-01T00:00:00Z' };
      const resources = blob === undefined ? [] : [{ id: blob, type: 'content' }];
      server.leases.set(id, { labels: { ...labels, ...expire }, resources });
      if (blob !== undefined) server.blobs.set(blob, { size: '1', labels: {} });
    };
    lease('stevedore-1', { 'stevedore.dev/pull': 'r/a:1' }, 'sha256:a');
    lease('stevedore-remove-1', { 'stevedore.dev/remove': 'sha256:x', 'stevedore.dev/remove-0': '{' });
    lease('stevedore-remove-hold-1', { 'stevedore.dev/remove-hold': 'sha256:x' }, 'sha256:b');
    lease('somebody', {}, 'sha256:c');
    expect(await take(server, 'leases')).toBe(3);
    expect([...server.leases.keys()]).toEqual(['somebody']);
    expect([...server.blobs.keys()]).toEqual(['sha256:c']);
    expect(await take(server, 'leases')).toBe(0);
  });

  it('ties: all labels of ours go, other labels stay', async () => {
    const server = new ContainerdServer();
    const snapshot = (name: string, labels: Record<string, string>): void => {
      server.snapshots.set(name, { parent: '', kind: 3, labels });
    };
    snapshot('one', { [`${tie}0`]: 'sha256:1', [`${tie}1`]: 'sha256:2', [`${tie}2`]: 'sha256:3', note: 'kept' });
    snapshot('two', { [`${tie}0`]: 'sha256:1' });
    snapshot('other', { 'containerd.io/gc.ref.content.other': 'sha256:1' });
    expect(await take(server, 'ties')).toBe(2);
    expect([...server.snapshots.values()].map(({ labels }) => labels)).toEqual([
      { note: 'kept' },
      {},
      { 'containerd.io/gc.ref.content.other': 'sha256:1' },
    ]);
    expect(await take(server, 'ties')).toBe(0);
  });

  it('all are tried before a failure is told; what is gone meanwhile is none', async () => {
    const server = new ContainerdServer();
    const labels = { [kubelet]: 'pinned', [owner]: 'true' };
    for (const name of ['a', 'b', 'c']) server.records.set(name, { labels, target });
    let updates = 0;
    server.onCall = (call) => {
      if (call !== 'Images.Update') return;
      updates += 1;
      if (updates === 1) throw new Failure('timeout', 'hung');
    };
    await expect(take(server, 'pins')).rejects.toMatchObject({ code: 'timeout' });
    expect([...server.records.values()].filter((record) => owner in record.labels)).toHaveLength(1);
    server.onCall = (call) => {
      if (call === 'Images.Get') server.records.clear();
    };
    expect(await take(server, 'pins')).toBe(1);
  });
});
