import { describe, expect, it } from 'vitest';

import { type Answer, json } from './docker-daemon.ts';
import { kubelets, leftover, list, remove } from './docker-leftover-calls.ts';

describe('networks', () => {
  const network = (Name: string, parts: object = {}) => ({
    Id: `id-${Name}`,
    Name,
    Scope: 'local',
    Ingress: false,
    ConfigOnly: false,
    Containers: {},
    Labels: {},
    ...parts,
  });
  const world = (one: object, containers: object[] = []): Record<string, Answer> => ({
    'GET /networks': json([one]),
    'GET /networks/id-net': json(one),
    'GET /containers/json': json(containers),
    'DELETE /networks/id-net': json(undefined, 204),
  });

  it('that nothing is on are listed and removed', async () => {
    const { found, requests } = await list('network', world(network('net')));
    expect(found).toEqual([{ kind: 'network', id: 'id-net', name: 'net', bytes: 0, unusedSince: undefined }]);
    expect(requests[0]).toBe('GET /networks?filters={"dangling":["true"]}');
    expect(await remove(leftover('network', 'id-net'), world(network('net')))).toEqual({
      answer: 'removed',
      changes: ['DELETE /networks/id-net'],
    });
  });

  it.each(['bridge', 'host', 'none', 'docker_gwbridge', 'ingress'])(
    "that are dockerd's own (%s) stay",
    async (name) => {
      const own = world(network(name, { Id: 'id-net' }));
      expect((await list('network', own)).found).toEqual([]);
      expect(await remove(leftover('network', 'id-net'), own)).toEqual({ answer: 'in_use', changes: [] });
    },
  );

  const stopped = { HostConfig: { NetworkMode: 'default' }, NetworkSettings: { Networks: {} } };
  it.each([
    ['of a swarm', { Scope: 'swarm' }, []],
    ['of its ingress', { Ingress: true }, []],
    ['templates', { ConfigOnly: true }, []],
    ['with a container', { Containers: { c1: {} } }, []],
    ["with the kubelet's labels", { Labels: kubelets }, []],
    [
      'of a stopped container, by name',
      {},
      [{ ...stopped, NetworkSettings: { Networks: { net: { NetworkID: '' } } } }],
    ],
    [
      'of a stopped container, by id',
      {},
      [{ ...stopped, NetworkSettings: { Networks: { alias: { NetworkID: 'id-net' } } } }],
    ],
    ['of a container never started', {}, [{ ...stopped, HostConfig: { NetworkMode: 'net' } }]],
  ])('%s stay', async (_, parts, containers) => {
    const held = world(network('net', parts), containers);
    expect((await list('network', held)).found).toEqual([]);
    expect(await remove(leftover('network', 'id-net'), held)).toEqual({ answer: 'in_use', changes: [] });
  });

  it('that a container joined in the last moment stay', async () => {
    const refusal = json({ message: 'network net id has active endpoints' }, 403);
    const joined = { ...world(network('net')), 'DELETE /networks/id-net': refusal };
    expect((await remove(leftover('network', 'id-net'), joined)).answer).toBe('in_use');
  });
});

describe('volumes', () => {
  const anonymous = 'f'.repeat(64);
  const volume = (Name: string, parts: object = {}) => ({
    Name,
    Driver: 'local',
    Labels: null,
    Options: null,
    ...parts,
  });
  const world = (one: ReturnType<typeof volume>, containers: object[] = []): Record<string, Answer> => ({
    'GET /volumes': json({ Volumes: [one], Warnings: null }),
    [`GET /volumes/${one.Name}`]: json(one),
    'GET /containers/json': json(containers),
    [`DELETE /volumes/${one.Name}`]: json(undefined, 204),
  });

  it.each([
    ['20.10', null],
    ['23 and newer', { 'com.docker.volume.anonymous': '' }],
  ])('without a name are listed and removed: %s', async (_, Labels) => {
    const one = world(volume(anonymous, { Labels }));
    expect((await list('volume', one)).found).toEqual([
      { kind: 'volume', id: anonymous, name: anonymous, bytes: undefined, unusedSince: undefined },
    ]);
    expect(await remove(leftover('volume', anonymous), one)).toEqual({
      answer: 'removed',
      changes: [`DELETE /volumes/${anonymous}`],
    });
  });

  it.each([
    ['with a name', volume('data'), []],
    ['with a name, whatever their label', volume('data', { Labels: { 'com.docker.volume.anonymous': '' } }), []],
    ['that somebody labelled', volume(anonymous, { Labels: { team: 'ml' } }), []],
    ['with options, such as a mount over the network', volume(anonymous, { Options: { type: 'nfs' } }), []],
    ['of another driver', volume(anonymous, { Driver: 'rexray' }), []],
    ['of a container in any state', volume(anonymous), [{ Mounts: [{ Type: 'volume', Name: anonymous }] }]],
  ])('%s stay', async (_, one, containers) => {
    expect((await list('volume', world(one, containers))).found).toEqual([]);
    expect(await remove(leftover('volume', one.Name), world(one, containers))).toEqual({
      answer: 'in_use',
      changes: [],
    });
  });

  it('that a container took in the last moment stay', async () => {
    const refusal = json({ message: 'volume is in use' }, 409);
    const taken = { ...world(volume(anonymous)), [`DELETE /volumes/${anonymous}`]: refusal };
    expect((await remove(leftover('volume', anonymous), taken)).answer).toBe('in_use');
  });
});
