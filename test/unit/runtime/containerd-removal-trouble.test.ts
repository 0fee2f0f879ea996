import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ContainerdServer } from './containerd-server.ts';
import {
  RemovalWorld,
  addContainer,
  countCalls,
  digestOf,
  imageId,
  killed,
  labels,
  manifest,
  otherNames,
  tag,
  target,
} from './removal-world.ts';

describe('a removal from containerd, disturbed at every one of its calls', () => {
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

  it.each([
    { stage: 'stored' as const, eager: true },
    { stage: 'stored' as const, eager: false },
    { stage: 'prepared' as const, eager: true },
    { stage: 'prepared' as const, eager: false },
  ])(
    'goes, or stays whole, whenever a container gets as far as $stage (collector eager: $eager)',
    async ({ stage, eager }) => {
      const outcomes = new Set<string>();
      for (let at = 0, calls = await countCalls(); at < calls; at += 1) {
        start();
        server.eager = eager;
        let made = false;
        server.onCall = (_call, index) => {
          if (index === at) made = addContainer(server, stage);
        };
        const { kind } = await world.remove();
        outcomes.add(`${kind}, ${made ? 'made' : 'not made'}`);
        if (made) expect(world.lost(), `container at call ${at}: ${server.calls[at]}`).toEqual([]);
        else expect(world.left(), `no container at call ${at}`).toEqual([]);
      }
      expect([...outcomes].toSorted()).toEqual(['in_use, made', 'removed, not made']);
    },
  );

  it.each([false, true])(
    'killed before any call is undone by the next one: all names or none (in use: %s)',
    async (used) => {
      const left = new Set<number>();
      for (let at = 0, calls = await countCalls(); at < calls; at += 1) {
        start();
        let made = false;
        server.onCall = (call, index) => {
          if (used && call === 'Images.Delete') made ||= addContainer(server, 'stored');
          if (index >= at) throw killed;
        };
        const outcome = await world.remove().catch((error: unknown) => error);
        if (outcome !== killed) {
          expect(outcome, `call ${at} was not made`).toEqual({ kind: 'in_use' });
          break;
        }
        server.onCall = () => undefined;
        server.collect();
        const before = server.records.size;
        left.add(before);
        const restored = await world.undo();
        expect(restored, `killed at call ${at}`).toEqual(server.records.size > before ? [imageId] : []);
        if (made || server.records.size > 0) expect(world.lost(), `killed at call ${at}`).toEqual([]);
        else expect(world.left(), `killed at call ${at}`).toEqual([]);
      }
      // Some were killed before the first name went, and some after the last.
      expect([Math.min(...left), Math.max(...left)]).toEqual([0, 1 + otherNames.length]);
    },
  );

  it.each([false, true])('is undone while the collector runs: all names or none (in use: %s)', async (used) => {
    for (let at = 0; at < 40; at += 1) {
      start();
      server.onCall = (call) => {
        if (call === 'Leases.Delete') server.calls.push('killed');
        if (server.calls.includes('killed')) throw killed;
      };
      await expect(world.remove()).rejects.toBe(killed);
      for (const id of world.ourLeases()) if (id.includes('hold')) server.leases.delete(id);
      if (used) addContainer(server, 'stored');
      server.calls.length = 0;
      server.onCall = (_call, index) => {
        if (index === at) server.collect();
      };
      await world.undo();
      if (used || server.records.size > 0) expect(world.lost(), `collected at call ${at}`).toEqual([]);
      else expect(world.left(), `collected at call ${at}`).toEqual([]);
      if (at >= server.calls.length) return;
    }
  });

  it('aborted at any call takes all or nothing', async () => {
    const outcomes = new Set<string>();
    const reason = new Error('the agent stops');
    for (let at = 0, calls = await countCalls(); at < calls; at += 1) {
      start();
      const controller = new AbortController();
      server.onCall = (_call, index) => {
        if (index === at) controller.abort(reason);
      };
      const outcome = await world.remove(controller.signal).then(
        ({ kind }) => kind,
        (error: unknown) => error,
      );
      outcomes.add(String(outcome));
      if (outcome === 'removed') expect(world.left()).toEqual([]);
      else expect(world.lost()).toEqual([]);
    }
    expect([...outcomes]).toEqual([String(reason), 'removed']);
  });

  it('never takes or overwrites a name that was pulled anew meanwhile', async () => {
    const moved = { labels: { pulled: 'now' }, target: { ...target, digest: digestOf('7') } };
    for (let at = 0, calls = await countCalls(); at < calls; at += 1) {
      for (const used of [false, true]) {
        start();
        server.onCall = (_call, index) => {
          if (index !== at) return;
          server.records.set(tag, moved);
          if (used) addContainer(server, 'stored');
        };
        const { kind } = await world.remove();
        expect(server.records.get(tag), `call ${at}`).toEqual(moved);
        const left = otherNames.filter((name) => server.records.has(name));
        expect(left, `call ${at}`).toEqual(kind === 'removed' ? [] : otherNames);
        expect(world.ourLeases()).toEqual([]);
      }
    }
  });

  it('gives way to a pull of the same image at any moment', async () => {
    for (let at = 0, calls = await countCalls(); at < calls; at += 1) {
      start();
      server.onCall = (_call, index) => {
        if (index !== at || server.records.has(tag) || !server.blobs.has(manifest)) return;
        server.records.set(tag, { labels, target });
      };
      if ((await world.remove()).kind === 'in_use') expect(world.lost(), `call ${at}`).toEqual([]);
      else expect(world.left(), `call ${at}`).toEqual([]);
    }
  });
});
