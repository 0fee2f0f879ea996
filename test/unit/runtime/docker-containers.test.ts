import { describe, expect, it } from 'vitest';

import { type Answer, json, startDockerDaemon } from './docker-daemon.ts';

const id = `sha256:${'a'.repeat(64)}`;
const digest = `sha256:${'d'.repeat(64)}`;
const never = new AbortController().signal;

const listed = { Id: 'c1', Image: 'busybox', ImageID: id, State: 'exited', Created: 1_700_000_000, Labels: {} };
const neverYet = '0001-01-01T00:00:00Z';

function inspection(StartedAt = neverYet, FinishedAt = neverYet): Answer {
  return json({ Id: 'c1', State: { StartedAt, FinishedAt } });
}

/** A list and an inspection that tests change; `asked` counts inspections. */
async function startWorld(containers: object[] = [listed]) {
  const world = { containers, inspection: inspection() };
  const docker = await startDockerDaemon({
    'GET /containers/json': (...all) => json(world.containers)(...all),
    'GET /containers/c1/json': (...all) => world.inspection(...all),
    'GET /events': (response) => {
      response.write(`${JSON.stringify({ Type: 'container', Action: 'start', Actor: { ID: 'c1' } })}\n`);
    },
  });
  const list = () => docker.runtime.listContainers(never);
  const asked = () => docker.requests.filter((request) => request === 'GET /containers/c1/json').length;
  return { world, docker, list, asked, [Symbol.asyncDispose]: () => docker[Symbol.asyncDispose]() };
}

describe('listContainers', () => {
  it.each([
    ['created', 'created'],
    ['running', 'running'],
    ['paused', 'running'],
    ['restarting', 'running'],
    ['removing', 'exited'],
    ['exited', 'exited'],
    ['dead', 'exited'],
    ['something new', 'unknown'],
  ])('a container that is %s counts as %s', async (State, state) => {
    await using one = await startWorld([{ ...listed, State }]);

    expect(await one.list()).toEqual([
      {
        id: 'c1',
        state,
        imageIds: [id],
        imageName: 'docker.io/library/busybox:latest',
        createdAt: 1_700_000_000_000,
        startedAt: undefined,
        finishedAt: undefined,
      },
    ]);
    expect(one.docker.requests[0]).toBe('GET /containers/json?all=1');
  });

  it.each([id, 'aaaaaaaaaaaa'])('an image named by its id (%s) is no name', async (Image) => {
    await using one = await startWorld([{ ...listed, Image }]);

    expect(await one.list()).toMatchObject([{ imageIds: [id], imageName: undefined }]);
  });

  it('a name with tag and digest is the name that the image has', async () => {
    await using one = await startWorld([{ ...listed, Image: `cache.lan:5000/x:1@${digest}` }]);

    expect(await one.list()).toMatchObject([{ imageName: `cache.lan:5000/x@${digest}` }]);
  });

  it('a container without an image id has none', async () => {
    await using one = await startWorld([{ ...listed, ImageID: '' }]);

    expect(await one.list()).toMatchObject([{ imageIds: [] }]);
  });
});

describe('when a container was started and finished', () => {
  it('is told by its inspection, also by the nanosecond', async () => {
    await using one = await startWorld();
    one.world.inspection = inspection('2026-01-02T03:04:05.678901234Z', '2026-01-02T03:04:06+01:00');

    expect(await one.list()).toMatchObject([
      { startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678), finishedAt: Date.UTC(2026, 0, 2, 2, 4, 6) },
    ]);
  });

  it('leaves out the end of an earlier run while it runs', async () => {
    await using one = await startWorld([{ ...listed, State: 'running' }]);
    one.world.inspection = inspection('2026-01-02T03:00:00Z', '2026-01-01T00:00:00Z');

    expect(await one.list()).toMatchObject([{ startedAt: Date.UTC(2026, 0, 2, 3), finishedAt: undefined }]);
  });

  it('is asked once for each state, however its age is worded', async () => {
    await using one = await startWorld([{ ...listed, State: 'running', Status: 'Up 1 second' }]);
    await one.list();
    one.world.containers = [{ ...listed, State: 'running', Status: 'Up 2 hours' }];
    await one.list();
    expect(one.asked()).toBe(1);

    one.world.containers = [listed];
    one.world.inspection = inspection(neverYet, '2026-01-02T03:00:00Z');
    expect(await one.list()).toMatchObject([{ finishedAt: Date.UTC(2026, 0, 2, 3) }]);
    await one.list();
    expect(one.asked()).toBe(2);
  });

  it('is asked again after an event of the container: it may have left its state and come back', async () => {
    await using one = await startWorld();
    const controller = new AbortController();
    const events = one.docker.runtime.watch(controller.signal);
    await one.list();
    for await (const event of events) if (event.kind === 'container') break;
    await one.list();

    expect(one.asked()).toBe(2);
    controller.abort();
  });

  it('is asked again when events are watched anew: some may have been missed', async () => {
    await using one = await startWorld();
    await one.list();
    one.docker.runtime.watch(AbortSignal.abort());
    await one.list();

    expect(one.asked()).toBe(2);
  });

  it('is unknown of a container that went in between', async () => {
    await using one = await startWorld();
    one.world.inspection = json({ message: 'No such container' }, 404);

    expect(await one.list()).toMatchObject([{ id: 'c1', startedAt: undefined }]);
  });

  it('asks for eight containers at once at most', async () => {
    let now = 0;
    let most = 0;
    const answer: Answer = async (...all) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise(setImmediate);
      now -= 1;
      inspection()(...all);
    };
    const ids = Array.from({ length: 40 }, (_, index) => `c${index}`);
    await using docker = await startDockerDaemon({
      'GET /containers/json': json(ids.map((Id) => ({ ...listed, Id }))),
      ...Object.fromEntries(ids.map((Id) => [`GET /containers/${Id}/json`, answer])),
    });

    expect(await docker.runtime.listContainers(never)).toHaveLength(40);
    expect(most).toBeLessThanOrEqual(8);
  });
});
