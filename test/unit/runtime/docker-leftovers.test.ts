import { describe, expect, it } from 'vitest';

import type { LeftoverKind } from '../../../agent/runtime/runtime.ts';
import { type Answer, json, startDockerDaemon } from './docker-daemon.ts';
import { kubelets, leftover, list, remove } from './docker-leftover-calls.ts';

const never = new AbortController().signal;
const endedAt = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A container, listed and inspected. */
function container(Id: string, parts: { state?: string; name?: string; labels?: object; created?: boolean } = {}) {
  const { state = 'exited', name = Id, labels = {} } = parts;
  const listed = { Id, Names: [`/${name}`], Labels: labels, State: state, HostConfig: { NetworkMode: 'none' } };
  const inspected = {
    Name: `/${name}`,
    Created: '2026-01-01T00:00:00Z',
    State: { Status: state, FinishedAt: parts.created === true ? '0001-01-01T00:00:00Z' : '2026-01-02T03:04:05Z' },
    Config: { Labels: labels },
    SizeRw: 42,
  };
  return { listed, inspected, answers: { [`GET /containers/${Id}/json`]: json(inspected) } };
}

describe('leftovers', () => {
  it('asks only for the kinds wanted, and gives nothing of kinds that Docker does not have', async () => {
    await using docker = await startDockerDaemon({ 'GET /volumes': json({ Volumes: null }) });

    const kinds: LeftoverKind[] = ['volume', 'ingest', 'snapshot', 'lease', 'namespace'];
    expect(await docker.runtime.listLeftovers(new Set(kinds), never)).toEqual([]);
    expect(docker.requests).toEqual(['GET /volumes?filters={"dangling":["true"]}']);
    expect(await docker.runtime.removeLeftover(leftover('snapshot', 's1'), never)).toBe('absent');
  });

  it.each(['stopped_container', 'network', 'volume'] as const)('absent %s: nothing to do', async (kind) => {
    expect((await remove(leftover(kind, 'f'.repeat(64)), {})).answer).toBe('absent');
  });

  it('never calls for a bulk removal, nor forces one', async () => {
    const { answers } = container('c1');
    const ok: Answer = json(undefined, 204);
    const one = await remove(leftover('stopped_container', 'c1', endedAt), { ...answers, 'DELETE /containers/c1': ok });
    expect(one).toEqual({ answer: 'removed', changes: ['DELETE /containers/c1'] });
  });
});

describe('stopped containers', () => {
  it('are listed with what they have written and when they ended, or were made', async () => {
    const ended = container('c1', { name: 'happy_name' });
    const made = container('c2', { state: 'created', created: true });
    const { found, requests } = await list('stopped_container', {
      'GET /containers/json': json([ended.listed, made.listed]),
      ...ended.answers,
      ...made.answers,
    });

    const common = { kind: 'stopped_container', bytes: 42 };
    expect(found).toEqual([
      { ...common, id: 'c1', name: 'happy_name', unusedSince: endedAt },
      { ...common, id: 'c2', name: 'c2', unusedSince: Date.UTC(2026, 0, 1) },
    ]);
    // dockerd walks the disk for a size: not for containers that run.
    expect(requests[0]).toBe('GET /containers/json?all=1');
    expect(requests).toContain('GET /containers/c1/json?size=1');
  });

  it.each([
    ['running', { state: 'running' }],
    ['paused', { state: 'paused' }],
    ['restarting', { state: 'restarting' }],
    ['being removed', { state: 'removing' }],
    ['labelled by the kubelet', { labels: kubelets }],
    ['named as the kubelet names', { name: 'k8s_app_pod_default_1_0' }],
  ])('that are %s are neither listed nor removed', async (_, parts) => {
    const one = container('c1', parts);
    const answers = { 'GET /containers/json': json([one.listed]), ...one.answers };

    expect((await list('stopped_container', answers)).found).toEqual([]);
    expect(await remove(leftover('stopped_container', 'c1', endedAt), answers)).toEqual({
      answer: 'in_use',
      changes: [],
    });
  });

  it('that ran meanwhile are left', async () => {
    const { answers } = container('c1');
    const seen = leftover('stopped_container', 'c1', endedAt - 1000);
    expect(await remove(seen, answers)).toEqual({ answer: 'in_use', changes: [] });
  });

  it('that were started in the last moment, so that dockerd refuses, are left', async () => {
    const { answers } = container('c1');
    const refusal = json({ message: 'You cannot remove a running container' }, 409);
    const one = await remove(leftover('stopped_container', 'c1', endedAt), {
      ...answers,
      'DELETE /containers/c1': refusal,
    });
    expect(one.answer).toBe('in_use');
  });

  it('that went while they were listed are left out', async () => {
    const { listed } = container('c1');
    expect((await list('stopped_container', { 'GET /containers/json': json([listed]) })).found).toEqual([]);
  });
});

describe('build cache', () => {
  const record = (ID: string, parts: object = {}) => ({
    ID,
    Description: `step ${ID}`,
    InUse: false,
    Shared: false,
    Size: 10,
    CreatedAt: '2026-01-01T00:00:00Z',
    LastUsedAt: '2026-01-02T03:04:05Z',
    ...parts,
  });
  const usage = (...records: object[]) => ({ 'GET /system/df': json({ LayersSize: 1, BuildCache: records }) });

  it('is listed with its last use; bytes that an image has too are not counted', async () => {
    const { found, requests } = await list(
      'build_cache',
      usage(
        record('a'),
        record('b', { LastUsedAt: null }),
        record('c', { Shared: true }),
        record('d', { InUse: true }),
      ),
    );

    expect(found).toEqual(
      expect.arrayContaining([
        { kind: 'build_cache', id: 'a', name: 'step a', bytes: 10, unusedSince: endedAt },
        { kind: 'build_cache', id: 'b', name: 'step b', bytes: 10, unusedSince: Date.UTC(2026, 0, 1) },
        { kind: 'build_cache', id: 'c', name: 'step c', bytes: 0, unusedSince: endedAt },
      ]),
    );
    expect(found).toHaveLength(3);
    expect(requests).toEqual(['GET /system/df?type=build-cache&verbose=1']);
  });

  it.each([
    ['20.10', { Parent: 'top' }, { Parent: 'middle' }],
    ['23 to 28', { ' Parents': ['gone', 'top'] }, { ' Parents': ['middle'] }],
    ['29', { Parents: ['gone', 'top'] }, { Parents: ['middle'] }],
  ])('puts records that others are made from after them: %s', async (_, middle, leaf) => {
    const { ids } = await list('build_cache', usage(record('middle', middle), record('leaf', leaf), record('top')));
    expect(ids).toEqual(['leaf', 'middle', 'top']);
  });

  it('is read from the shape of Docker 29 as well, and may be none', async () => {
    const answer = json({ BuildCacheUsage: { TotalCount: 1, Items: [record('a')] } });
    expect((await list('build_cache', { 'GET /system/df': answer })).ids).toEqual(['a']);
    expect((await list('build_cache', { 'GET /system/df': json({ BuildCache: null }) })).ids).toEqual([]);
    expect((await list('build_cache', { 'GET /system/df': json({ BuildCacheUsage: {} }) })).ids).toEqual([]);
  });

  it('goes record by record, and only if it was not used meanwhile', async () => {
    const pruned = { 'POST /build/prune': json({ CachesDeleted: ['a1'], SpaceReclaimed: 10 }) };
    const anHourAgo = Date.now() - 3_600_000;
    const { answer, changes } = await remove(leftover('build_cache', 'a1', anHourAgo), pruned);

    expect(answer).toBe('removed');
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatch(/^POST \/build\/prune\?all=true&filters=\{"id":\["a1"\],"until":\["35(?:99|98)s"\]\}$/);
  });

  it.each([null, ['a12']])('is in use when BuildKit does not remove just this record: %j', async (CachesDeleted) => {
    const pruned = { 'POST /build/prune': json({ CachesDeleted, SpaceReclaimed: 0 }) };
    expect((await remove(leftover('build_cache', 'a1', endedAt), pruned)).answer).toBe('in_use');
  });

  it('is not asked to go by what is no id: dockerd takes it for a regular expression', async () => {
    expect(await remove(leftover('build_cache', '.*', endedAt), {})).toEqual({ answer: 'absent', changes: [] });
  });
});
