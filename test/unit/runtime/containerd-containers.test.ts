import { beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { createContainerList, type ContainerList } from '../../../agent/runtime/containerd/containers.ts';
import type { ImageIdentities } from '../../../agent/runtime/containerd/image-list.ts';
import { ScriptedGrpc } from './scripted-grpc.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [app, newer, twin, pause] = [id('a'), id('b'), id('c'), id('d')];
const [appTop, newerTop, pauseTop] = [id('1'), id('2'), id('3')];
const name = 'docker.io/library/app:1';
const signal = new AbortController().signal;

/** The tag has moved from `app`, whose layers `twin` has as well, to `newer`. */
const identities: ImageIdentities = {
  byName: new Map([
    [name, newer],
    ['registry.k8s.io/pause:3', pause],
  ]),
  byTopChainId: new Map([
    [appTop, [app, twin]],
    [newerTop, [newer]],
    [pauseTop, [pause]],
  ]),
  pinnedByCri: new Set(),
};

const seconds = (at: number) => ({ seconds: String(at), nanos: 0 });
const record = (key: string, image = name) => ({
  id: key,
  image,
  snapshotter: 'overlayfs',
  snapshot_key: `layer of ${key}`,
  created_at: seconds(100),
});
const ofKubelet = (key: string, state: number) => ({
  id: key,
  image: { image: app },
  image_ref: app,
  image_id: '',
  state,
  created_at: '100000000000',
});

describe("containerd's containers", () => {
  let grpc: ScriptedGrpc;
  let list: ContainerList;
  let records: ReturnType<typeof record>[];
  let kubelets: ReturnType<typeof ofKubelet>[];
  let parents: Map<string, string>;
  let listedImages = 0;

  beforeEach(() => {
    records = [];
    kubelets = [];
    parents = new Map();
    listedImages = 0;
    grpc = new ScriptedGrpc({
      'Containers/List': () => ({ containers: records }),
      'RuntimeService/ListContainers': () => ({ containers: kubelets }),
      'RuntimeService/ListPodSandbox': { items: [{ id: 'sandbox', state: 0, created_at: '0' }] },
      'RuntimeService/ContainerStatus': { status: { started_at: '200000000000', finished_at: '0' } },
      'Snapshots/List': () => ({ info: [...parents].map(([key, parent]) => ({ name: key, parent, kind: 2 })) }),
      'Tasks/List': { tasks: [{ id: 'ctr', status: 3, exited_at: seconds(300) }] },
    });
    list = createContainerList(grpc.client, {
      listIdentities: async () => {
        listedImages += 1;
        return await Promise.resolve(identities);
      },
    });
  });

  const find = async (key: string) => (await list.list(signal)).find((container) => container.id === key);

  it("of the kubelet have the CRI's image and times, and cost no look at tasks, images and snapshots", async () => {
    records = [record('pod')];
    kubelets = [ofKubelet('pod', 1)];
    expect(await list.list(signal)).toEqual([
      {
        id: 'pod',
        state: 'running',
        imageIds: [app],
        imageName: undefined,
        createdAt: 100_000,
        startedAt: 200_000,
        finishedAt: undefined,
      },
    ]);
    expect([grpc.count('Tasks/List'), grpc.count('Snapshots/List'), listedImages]).toEqual([0, 0, 0]);
  });

  it('are asked for their times once in each state', async () => {
    kubelets = [ofKubelet('pod', 1)];
    await list.list(signal);
    await list.list(signal);
    expect(grpc.count('RuntimeService/ContainerStatus')).toBe(1);
    kubelets = [ofKubelet('pod', 2)];
    grpc.answers['RuntimeService/ContainerStatus'] = {
      status: { started_at: '200000000000', finished_at: '400000000000' },
    };
    expect(await find('pod')).toMatchObject({ state: 'exited', startedAt: 200_000, finishedAt: 400_000 });
    await list.list(signal);
    expect(grpc.count('RuntimeService/ContainerStatus')).toBe(2);
    kubelets = [];
    await list.list(signal);
    kubelets = [ofKubelet('pod', 2)];
    await list.list(signal);
    expect(grpc.count('RuntimeService/ContainerStatus')).toBe(3);
  });

  it('have unknown times where the CRI cannot tell, and are asked again', async () => {
    kubelets = [ofKubelet('pod', 1)];
    const answer = grpc.answers['RuntimeService/ContainerStatus'];
    grpc.answers['RuntimeService/ContainerStatus'] = new Failure('not_found', 'gone');
    expect(await find('pod')).toMatchObject({ state: 'running', startedAt: undefined, finishedAt: undefined });
    grpc.answers['RuntimeService/ContainerStatus'] = answer;
    expect(await find('pod')).toMatchObject({ startedAt: 200_000 });
  });

  it('of others may be of what their name stands for now, and of what they stand on', async () => {
    records = [record('ctr')];
    parents.set('layer of ctr', appTop);
    expect(await find('ctr')).toEqual({
      id: 'ctr',
      state: 'exited',
      imageIds: [newer, app, twin],
      imageName: name,
      createdAt: 100_000,
      startedAt: undefined,
      finishedAt: 300_000,
    });
  });

  it('of others are known by one alone where the other is missing', async () => {
    records = [record('named'), record('standing', 'docker.io/library/gone:1'), record('by id', app.slice(7))];
    parents.set('layer of standing', newerTop);
    const found = new Map((await list.list(signal)).map(({ id: key, imageIds }) => [key, imageIds]));
    expect(found.get('named')).toEqual([newer]);
    expect(found.get('standing')).toEqual([newer]);
    expect(found.get('by id')).toEqual([app]);
  });

  it('with shifted owners stand on the image that their copy was made of', async () => {
    records = [record('ctr', '')];
    parents.set('layer of ctr', `${appTop}-65536-65536`);
    expect(await find('ctr')).toMatchObject({ imageIds: [app, twin] });
  });

  it("are sandboxes too, whose state is the CRI's", async () => {
    records = [record('sandbox', 'registry.k8s.io/pause:3')];
    parents.set('layer of sandbox', pauseTop);
    expect(await find('sandbox')).toMatchObject({ state: 'running', imageIds: [pause] });
    expect(grpc.count('Tasks/List')).toBe(0);
  });

  it('without a task were never started', async () => {
    records = [record('new')];
    expect(await find('new')).toMatchObject({ state: 'created', finishedAt: undefined });
  });

  it('have an unknown state while shims hang', async () => {
    records = [record('ctr')];
    grpc.answers['Tasks/List'] = new Failure('timeout', 'no answer within 5 s');
    expect(await find('ctr')).toMatchObject({ state: 'unknown', imageIds: [newer] });
  });

  it('cost a handful of calls, however many there are, and their layers are listed once', async () => {
    records = Array.from({ length: 200 }, (_, index) => record(`ctr-${index}`));
    for (const { snapshot_key } of records) parents.set(snapshot_key, appTop);
    expect(await list.list(signal)).toHaveLength(200);
    expect(grpc.asked).toHaveLength(5);
    await list.list(signal);
    expect(grpc.count('Snapshots/List')).toBe(1);
  });

  it('made anew under the same id are looked at anew', async () => {
    records = [record('ctr', '')];
    parents.set('layer of ctr', appTop);
    expect(await find('ctr')).toMatchObject({ imageIds: [app, twin] });
    records = [{ ...record('ctr', ''), created_at: seconds(101) }];
    parents.set('layer of ctr', newerTop);
    expect(await find('ctr')).toMatchObject({ imageIds: [newer] });
  });
});
