import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { createPullLeases } from '../../../agent/runtime/containerd/pull-lease.ts';
import { toJournalId } from '../../../agent/runtime/containerd/removal-lease.ts';
import type { ContainerdServer } from './containerd-server.ts';
import {
  RemovalWorld,
  addContainer,
  addSibling,
  base,
  digestOf,
  imageId,
  killed,
  labels,
  layer,
  manifest,
  never,
  tag,
  target,
  top,
} from './removal-world.ts';

describe('removing an image from containerd', () => {
  let world: RemovalWorld;
  let server: ContainerdServer;

  function start(): void {
    world = new RemovalWorld();
    server = world.server;
  }

  beforeEach(() => {
    vi.useFakeTimers();
    start();
  });

  it('takes all names and everything that nothing else holds, and says what is off the disk', async () => {
    server.elsewhere.add(layer);
    const answer = await world.remove();
    expect(world.left()).toEqual([]);
    const freed = [manifest, imageId, `snapshot:${top}`, `snapshot:${base}`];
    expect(answer.kind === 'removed' && answer.freed?.map(({ key }) => key)).toEqual(freed);
    expect(await world.remove()).toEqual({ kind: 'absent' });
  });

  it('leaves the layers that another image has, with no trace on them', async () => {
    addSibling(server);
    const answer = await world.remove();
    expect(answer.kind === 'removed' && answer.freed?.map(({ key }) => key)).toEqual([manifest, imageId, layer]);
    expect([...server.records.keys()]).toEqual(['docker.io/library/sibling:1']);
    expect([...server.snapshots]).toEqual([
      [base, { parent: '', kind: 3, labels: {} }],
      [top, { parent: base, kind: 3, labels: {} }],
    ]);
    expect(world.ourLeases()).toEqual([]);
  });

  it.each([
    ['by its tag', () => server.containers.set('c', { image: tag, snapshot_key: '' })],
    ['by its id', () => server.containers.set('c', { image: imageId, snapshot_key: '' })],
    ['by the kubelet', () => server.kubelets.set('c', imageId)],
    ['by its layers alone, its tag having moved', () => addContainer(server, 'stored') && server.records.delete(tag)],
    ['by one that is being made', () => addContainer(server, 'prepared')],
    [
      'by one with shifted owners',
      () =>
        server.snapshots
          .set(`${top}-0-65536`, { parent: top, kind: 3, labels: {} })
          .set('c', { parent: `${top}-0-65536`, kind: 2, labels: {} }),
    ],
  ])('is refused when it is used %s', async (_, use) => {
    use();
    const before = [...server.records.keys()];
    expect(await world.remove()).toEqual({ kind: 'in_use' });
    expect([...server.records.keys()]).toEqual(before);
    expect(server.calls.filter((call) => /Create|Delete|Update/.test(call))).toEqual([]);
  });

  it('is not refused for a container of another image of the same layers, nor for a layer being unpacked on them', async () => {
    addSibling(server);
    server.snapshots.set('theirs', { parent: top, kind: 2, labels: {} });
    server.containers.set('theirs', { image: tag, snapshot_key: 'theirs' });
    server.kubelets.set('theirs', digestOf('4'));
    server.snapshots.set(`extract-1-x ${digestOf('9')}`, { parent: top, kind: 2, labels: {} });
    expect((await world.remove()).kind).toBe('removed');
  });

  it('writes down what to put back in labels that containerd takes', async () => {
    let written: Readonly<Record<string, string>> = {};
    server.onCall = (call) => {
      if (call === 'Images.Delete')
        for (const lease of server.leases.values()) written = { ...written, ...lease.labels };
    };
    await world.remove();
    expect(written['stevedore.dev/remove']).toBe(imageId);
    const sizes = Object.entries(written).map(([key, value]) => Buffer.byteLength(key + value));
    expect(sizes.length).toBeGreaterThan(4);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_096);
  });

  it('undoes one that was cut off before it begins anew, also where nobody can read what that one wrote', async () => {
    let dead = false;
    server.onCall = (call) => {
      dead ||= call === 'Leases.Delete';
      if (dead) throw killed;
    };
    await expect(world.remove()).rejects.toBe(killed);
    server.onCall = () => undefined;
    expect(server.records.size).toBe(0);
    server.records.set(tag, { labels, target });
    addContainer(server, 'prepared');
    expect(await world.remove()).toEqual({ kind: 'in_use' });
    server.snapshots.delete('mine');
    expect((await world.remove()).kind).toBe('removed');
    start();
    server.leases.set(toJournalId(imageId), { labels: { 'stevedore.dev/remove': imageId }, resources: [] });
    expect(await world.undo()).toEqual([]);
    expect((await world.remove()).kind).toBe('removed');
    expect(world.left()).toEqual([]);
  });

  it('waits a little for a container whose client has found the image already', async () => {
    server.onCall = (call) => {
      if (call === 'Images.Delete') setTimeout(() => addContainer(server, 'prepared'), 20);
    };
    expect(await world.remove()).toEqual({ kind: 'in_use' });
    expect(world.lost()).toEqual([]);
  });

  it('waits longer where the snapshotter takes no labels', async () => {
    server.onCall = (call) => {
      if (call === 'Images.Delete') setTimeout(() => addContainer(server, 'prepared'), 150);
      if (call === 'Snapshots.Update') throw new Failure('runtime', 'not supported');
    };
    expect(await world.remove()).toEqual({ kind: 'in_use' });
    expect(world.lost()).toEqual([]);
    start();
    const startedAt = Date.now();
    server.onCall = (call) => {
      if (call === 'Snapshots.Update') throw new Failure('runtime', 'not supported');
    };
    expect((await world.remove()).kind).toBe('removed');
    expect(Date.now() - startedAt).toBe(200);
    expect(world.left()).toEqual([]);
  });

  it('takes no name that stands for another image by now, also where containerd compares nothing itself', async () => {
    server.comparesTargets = false;
    const moved = { labels: {}, target: { ...target, digest: digestOf('7') } };
    server.onCall = (call) => {
      if (call === 'Snapshots.Update') server.records.set(tag, moved);
    };
    expect((await world.remove()).kind).toBe('removed');
    expect([...server.records]).toEqual([[tag, moved]]);
  });

  it('and letting go of pulls leave each other alone', async () => {
    const pulls = createPullLeases(server.client);
    await pulls.acquire(tag, never);
    server.onCall = (call) => {
      if (call === 'Images.Delete') throw killed;
    };
    await expect(world.remove()).rejects.toBe(killed);
    server.onCall = () => undefined;
    server.leases.set('stevedore-remove-x', { labels: { 'stevedore.dev/remove': imageId }, resources: [] });
    expect(await world.undo()).toEqual([]);
    await pulls.discard(() => false, never);
    expect(world.ourLeases()).toEqual(['stevedore-remove-x']);
  });
});
