import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeApi } from '../../fakes/fake-cluster.ts';
import { createInputsWorld, setsText, team } from './cluster-inputs-world.ts';

let api: FakeApi;
let world: ReturnType<typeof createInputsWorld>;

beforeEach(() => {
  vi.useFakeTimers();
  api = new FakeApi();
  api.setNode('gpu-1', { labels: { gpu: 'a' } });
  api.setConfigMap('stevedore', setsText('main'));
  world = createInputsWorld({ api });
});
afterEach(async () => {
  await world.stop();
  vi.useRealTimers();
});

describe('the Node', () => {
  test('is accepted as it is, and again when something of it changes', async () => {
    await world.start();
    api.setNode('gpu-1', { labels: { gpu: 'b' } });
    api.setNode('gpu-1', { annotations: { 'stevedore.dev/pause': 'all' } });
    api.setNode('other', {});
    expect(world.nodes.map(({ labels, annotations }) => ({ ...labels, ...annotations }))).toEqual([
      { gpu: 'a' },
      { gpu: 'b' },
      { gpu: 'b', 'stevedore.dev/pause': 'all' },
    ]);
    expect(world.said.filter(({ message }) => message === 'node labels')).toHaveLength(2);
  });

  test('is no news for the labels that the agent writes itself', async () => {
    await world.start();
    api.setNode('gpu-1', { labels: { gpu: 'a', 'image-set.stevedore.dev/main': 'ready' } });
    expect(world.said.filter(({ message }) => message === 'node labels')).toHaveLength(1);
    expect(world.nodes).toHaveLength(2);
  });

  test('that vanishes leaves its labels in force, which is said once; made again it is followed', async () => {
    await world.start();
    api.removeNode('gpu-1');
    world.clusterInputs.handlers.onNode(undefined);
    expect(world.inputs.node?.labels).toEqual({ gpu: 'a' });
    expect(world.saidAt('warn')).toEqual([
      'the Node is gone from the API server: its labels stay in force as they were',
    ]);
    api.setNode('gpu-1', { labels: { gpu: 'new' } });
    expect(world.inputs.node?.labels).toEqual({ gpu: 'new' });
    api.removeNode('gpu-1');
    expect(world.saidAt('warn')).toHaveLength(2);
  });

  test('that never was is what is missing', async () => {
    api.removeNode('gpu-1');
    await world.start();
    expect(world.inputs.problem).toBe('node gpu-1: the API server has no such Node');
  });
});

describe('the ConfigMap', () => {
  test('is accepted at once, and again with every edit; the same text is no edit', async () => {
    await world.start();
    expect(world.sets()).toEqual(['main']);
    api.setConfigMap('stevedore', setsText('main', 'more'));
    expect(world.sets()).toEqual(['main', 'more']);
    const before = { configurations: world.configurations.length, parses: world.parses() };
    api.setConfigMap('stevedore', setsText('main', 'more'), { labels: { edited: 'yes' } });
    api.setConfigMap('kube-root-ca.crt', 'no: {configuration');
    world.clusterInputs.handlers.onConfigMaps(api.configMaps());
    expect({ configurations: world.configurations.length, parses: world.parses() }).toEqual(before);
    expect(world.loads).toEqual([true, true]);
  });

  test.each([
    [
      'that is invalid',
      (text?: string) => api.setConfigMap('stevedore', text ?? 'harbor: {}'),
      ':1: harbor: unknown key',
    ],
    [
      'without its key',
      () => api.setConfigMap('stevedore', undefined),
      ': the ConfigMap has no key config.yaml in its data',
    ],
    ['that is gone', () => api.removeConfigMap('stevedore'), ': the ConfigMap does not exist'],
  ])('%s leaves the last good one in force, and is told once', async (_, spoil, mistake) => {
    await world.start();
    const inForce = world.inputs.configuration;
    spoil();
    world.clusterInputs.handlers.onConfigMaps(api.configMaps());
    expect(world.inputs.configuration).toBe(inForce);
    expect(world.configurations).toEqual([inForce]);
    const source = 'configmap stevedore/stevedore';
    expect(world.announced).toEqual([{ kind: 'configuration_refused', source, mistakes: source + mistake }]);
    expect(world.saidAt('error')).toEqual(['configuration refused, the last good one stays in force']);
    expect(world.loads).toEqual([true, false]);
  });

  test('is good again when the mistake is taken back, and another mistake is told', async () => {
    await world.start();
    api.setConfigMap('stevedore', 'harbor: {}');
    api.setConfigMap('stevedore', 'harbour: {}');
    expect(world.announced).toHaveLength(2);
    api.setConfigMap('stevedore', setsText('main'));
    expect(world.loads).toEqual([true, false, false, true]);
    api.setConfigMap('stevedore', 'harbour: {}');
    expect(world.announced).toHaveLength(3);
  });

  test('that is invalid from the start is what is missing', async () => {
    api.setConfigMap('stevedore', 'harbor: {}');
    await world.start();
    expect(world.inputs.problem).toBe('configmap stevedore/stevedore:1: harbor: unknown key');
    expect(world.saidAt('error')).toEqual(['configuration refused, none is in force']);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(world.saidAt('warn')).toEqual([]);
  });
});

describe("the teams' ConfigMaps", () => {
  beforeEach(async () => {
    api.setConfigMap('team-a', setsText('a1', 'a2'), { ...team, createdAt: 1 });
    api.setConfigMap('team-b', setsText('b'), { ...team, createdAt: 2 });
    await world.start();
  });

  test('add their sets, and take them away with them or with their label', () => {
    expect(world.sets()).toEqual(['main', 'a1', 'a2', 'b']);
    api.removeConfigMap('team-a');
    expect(world.sets()).toEqual(['main', 'b']);
    api.setConfigMap('team-b', setsText('b'), { labels: { 'stevedore.dev/image-sets': 'false' } });
    expect(world.sets()).toEqual(['main']);
    expect(world.announced).toEqual([]);
  });

  test("mistakes of one leave its last good sets and the others' in force", () => {
    api.setConfigMap('team-a', 'prune: {}');
    api.setConfigMap('team-b', setsText('b', 'b2'));
    expect(world.sets()).toEqual(['main', 'a1', 'a2', 'b', 'b2']);
    expect(world.recorder.teamsRefused).toBe(1);
    const mistakes = `configmap stevedore/team-a:1: prune: must stand in the main ConfigMap: a team's has imageSets alone`;
    expect(world.announced).toEqual([
      { kind: 'configuration_refused', source: 'configmap stevedore/team-a', mistakes },
    ]);
    expect(world.saidAt('error')).toEqual(['image sets of a ConfigMap refused, what was good of it stays in force']);
    // The main one was not refused by that.
    expect(world.loads).not.toContain(false);

    api.setConfigMap('team-a', setsText('a3'));
    expect(world.sets()).toEqual(['main', 'a3', 'b', 'b2']);
    expect(world.recorder.teamsRefused).toBe(0);
  });

  test('of a name that is taken leave their other sets, and get the name when it is free', () => {
    api.setConfigMap('team-b', setsText('b', 'main', 'a1'));
    expect(world.sets()).toEqual(['main', 'a1', 'a2', 'b']);
    const rule = (index: number, name: string, owner: string) =>
      `configmap stevedore/team-b:1: imageSets[${index}].name: "${name}": configmap stevedore/${owner} (imageSets[0]) has a set of this name`;
    expect(world.announced).toEqual([
      {
        kind: 'configuration_refused',
        source: 'configmap stevedore/team-b',
        mistakes: [rule(1, 'main', 'stevedore'), rule(2, 'a1', 'team-a')].join('\n'),
      },
    ]);
    api.removeConfigMap('team-a');
    api.setConfigMap('stevedore', setsText('other'));
    expect(world.inputs.configuration?.imageSets.map(({ name }) => name)).toEqual(['other', 'b', 'main', 'a1']);
    expect(world.recorder.teamsRefused).toBe(0);
  });

  test('made again with a mistake have no last good one', () => {
    api.removeConfigMap('team-a');
    api.setConfigMap('team-a', 'x: [', team);
    expect(world.sets()).toEqual(['main', 'b']);
    expect(world.saidAt('error')).toEqual(['image sets of a ConfigMap refused, none of its image sets is in force']);
  });

  test('are followed while the main one is refused, which stays so', () => {
    api.setConfigMap('stevedore', 'harbor: {}');
    api.setConfigMap('team-a', setsText('a3'));
    expect(world.sets()).toEqual(['main', 'a3', 'b']);
    expect(world.loads.at(-1)).toBe(false);
    api.setConfigMap('stevedore', setsText('main'));
    expect(world.loads.at(-1)).toBe(true);
  });

  test('wait for a main one', async () => {
    api.removeConfigMap('stevedore');
    const later = createInputsWorld({ api });
    await later.start();
    expect(later.inputs.problem).toBe('configmap stevedore/stevedore: the ConfigMap does not exist');
    api.setConfigMap('stevedore', '');
    expect(later.sets()).toEqual(['a1', 'a2', 'b']);
    await later.stop();
  });

  test('are not read again for every event', () => {
    const parses = world.parses();
    api.setConfigMap('team-a', 'x: [');
    for (let i = 0; i < 5; i += 1) api.setConfigMap('team-b', setsText('b'), { ...team, createdAt: 10 + i });
    expect(world.recorder.teamsRefused).toBe(1);
    expect(world.parses()).toBe(parses + 1);
  });
});
