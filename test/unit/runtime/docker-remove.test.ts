import { afterEach, describe, expect, it, vi } from 'vitest';

import { Credential } from '../../../agent/core/credentials.ts';
import type { Answer } from './docker-daemon.ts';
import { json, startDockerDaemon } from './docker-daemon.ts';
import { digest, imageId, imageWorld, otherId } from './docker-image-world.ts';

const never = new AbortController().signal;
const removed = { kind: 'removed', freed: undefined };
const inUse = { kind: 'in_use' };

afterEach(() => {
  vi.useRealTimers();
});

async function start(options: Parameters<typeof imageWorld>[0] = {}, answers: Record<string, Answer> = {}) {
  const world = imageWorld(options);
  const docker = await startDockerDaemon({ ...world.answers, ...answers }, world.answerOf);
  const count = (request: string) => docker.requests.filter((one) => one === request).length;
  return { ...world, docker, count, [Symbol.asyncDispose]: () => docker[Symbol.asyncDispose]() };
}

const realTimeout = globalThis.setTimeout;

/** Twenty times as fast as it is: the adapter's waits pass, its limits on calls do not. */
async function hurry<T>(work: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  let isDone = false;
  const result = work().finally(() => {
    isDone = true;
  });
  result.catch(() => undefined);
  while (!isDone) {
    await new Promise((resolve) => realTimeout(resolve, 5));
    vi.advanceTimersByTime(100);
  }
  return result;
}

describe('removeImage', () => {
  it.each([
    ['a tag and its digest', ['h.io/x:1', `h.io/x@${digest}`]],
    [
      'several tags in several repositories',
      ['h.io/x:1', 'h.io/x:2', `h.io/x@${digest}`, 'g.io/y:1', `g.io/y@${digest}`],
    ],
    ['only a digest', [`h.io/x@${digest}`]],
    ['no name at all', []],
  ])('removes an image with %s', async (_, names) => {
    await using world = await start({ names });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(removed);
    expect(world.state.present).toBe(false);
    expect(world.docker.requests.some((request) => request.includes('force'))).toBe(false);
  });

  it('looks for containers once when the layers went, for then none can have come to be', async () => {
    await using world = await start();

    await world.docker.runtime.removeImage(imageId, never);
    expect(world.count('GET /containers/json?all=1')).toBe(1);
  });

  it('says absent for an image that is not there', async () => {
    await using docker = await startDockerDaemon({});
    expect(await docker.runtime.removeImage(imageId, never)).toEqual({ kind: 'absent' });
  });

  it('touches nothing while a container uses the image', async () => {
    await using world = await start({ looks: [[imageId]] });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect(world.docker.requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
  });

  it('is not held by the containers of other images', async () => {
    await using world = await start({ looks: [[otherId]] });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(removed);
  });

  it('puts the names back when a container came in between and dockerd refuses', async () => {
    const names = ['h.io/x:1', 'h.io/x:2', `h.io/x@${digest}`];
    await using world = await start({ names, refuse: (name) => name === 'h.io/x:2' });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...world.state.names].toSorted()).toEqual(names.toSorted());
  });

  it('puts the tag back when the container came so late that dockerd took the last tag without a word', async () => {
    await using world = await start({ names: ['h.io/x:1', `h.io/x@${digest}`], keeps: true, looks: [[], [imageId]] });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...world.state.names]).toContain('h.io/x:1');
  });

  it('pulls a digest name again that went with the last tag, and does without it where that fails', async () => {
    const names = ['h.io/x:1', 'g.io/y:1', `h.io/x@${digest}`];
    const refuse = (name: string) => name === 'g.io/y:1';
    await using world = await start({ names, refuse, pulled: 'image' });
    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...world.state.names].toSorted()).toEqual(names.toSorted());

    await using offline = await start({ names, refuse, pulled: 'refused' });
    expect(await offline.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...offline.state.names].toSorted()).toEqual(['g.io/y:1', 'h.io/x:1']);
  });

  it('puts everything back when the image was given a name meanwhile', async () => {
    const names = ['h.io/x:1', `h.io/x@${digest}`];
    await using world = await start({ names, refuse: (): boolean => world.state.names.add('g.io/y:1').size === 0 });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...world.state.names]).toEqual(expect.arrayContaining(['h.io/x:1', 'g.io/y:1']));
  });

  it('leaves alone a tag that somebody gave to another image meanwhile', async () => {
    await using world = await start({
      names: ['h.io/x:1', 'h.io/x:2'],
      otherNames: ['h.io/x:1'],
      refuse: (name) => name === 'h.io/x:2',
    });

    expect(await world.docker.runtime.removeImage(imageId, never)).toEqual(inUse);
    expect([...world.state.names]).toEqual(['h.io/x:2']);
    expect([...world.otherNames]).toEqual(['h.io/x:1']);
  });

  it('puts the names back when dockerd fails half way, and says why', async () => {
    const broken = { 'DELETE /images/h.io/x:2': json({ message: 'driver failed' }, 500) };
    await using world = await start({ names: ['h.io/x:1', 'h.io/x:2'] }, broken);

    await expect(world.docker.runtime.removeImage(imageId, never)).rejects.toMatchObject({
      code: 'runtime',
      message: 'driver failed',
    });
    expect([...world.state.names].toSorted()).toEqual(['h.io/x:1', 'h.io/x:2']);
  });

  it('an abort half way does not leave half of the names', async () => {
    const controller = new AbortController();
    const names = ['h.io/x:1', 'h.io/x:2', 'h.io/x:3', `h.io/x@${digest}`];
    const options = { names, refuse: () => (controller.abort(), false) };
    await using world = await start(options);

    expect(await world.docker.runtime.removeImage(imageId, controller.signal)).toEqual(removed);
    expect(world.state.names.size).toBe(0);
  });
});

describe('an image that dockerd deletes although a container is being made from it', () => {
  const late = { blind: true, layersHeld: true, looks: [[], [], [imageId]] } as const;

  it('is pulled again by digest and gets its tags back', async () => {
    const names = ['h.io/x:1', 'h.io/x:2', `h.io/x@${digest}`];
    await using world = await start({ ...late, names, pulled: 'image' });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(inUse);
    expect(world.state.present).toBe(true);
    expect([...world.state.names].toSorted()).toEqual(names.toSorted());
  });

  it('is asked for with the credentials that may open it, one after the other, and then without', async () => {
    await using world = await start({ ...late, pulled: 'refused' });
    const credentials = ['one', 'two'].map((name) => new Credential('h.io', name, 'secret'));
    const asked: string[] = [];

    const removal = hurry(() =>
      world.docker.runtime.removeImage(imageId, never, async (reference) => {
        asked.push(reference);
        return credentials;
      }),
    );
    await expect(removal).rejects.toMatchObject({ code: 'auth', message: expect.stringContaining(imageId) });
    expect(asked).toEqual([`h.io/x@${digest}`]);
    expect(world.state.pulls.map(({ user }) => user)).toEqual(['one', 'two', undefined]);
  });

  it('stays gone when the container goes too', async () => {
    await using world = await start({ ...late, looks: [[], [], [imageId], []], pulled: 'image' });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(removed);
    expect(world.state.pulls).toEqual([]);
  });

  it('is not taken for restored when the registry gives another image', async () => {
    await using world = await start({ ...late, pulled: 'other' });

    const removal = hurry(() => world.docker.runtime.removeImage(imageId, never));
    await expect(removal).rejects.toMatchObject({ code: 'other' });
  });

  it('is gone when no container shows within a second', async () => {
    await using world = await start({ layersHeld: true });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(removed);
    expect(world.count('GET /containers/json?all=1')).toBeGreaterThan(2);
    expect(world.state.pulls).toEqual([]);
  });
});

describe('an image that perhaps cannot be pulled again', () => {
  const names = ['h.io/local:1', 'h.io/local:2'];

  it('is any image of the containerd image store: there what was loaded has digest names too', async () => {
    const inStore = ['h.io/local:1', `h.io/local@${imageId}`];
    await using world = await start({ names: inStore });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(removed);
    expect(world.docker.requests.at(-2)).toMatch(/^DELETE \/images\/removal\.stevedore\.invalid\//);
  });

  it('goes by a last name that nobody knows, after whoever began to make a container could have shown', async () => {
    await using world = await start({ names });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(removed);
    const deleted = world.docker.requests.filter((request) => request.startsWith('DELETE'));
    expect(deleted).toEqual([
      'DELETE /images/h.io/local:1',
      'DELETE /images/h.io/local:2',
      expect.stringMatching(/^DELETE \/images\/removal\.stevedore\.invalid\//),
    ]);
    expect(world.count('GET /containers/json?all=1')).toBeGreaterThan(3);
  });

  it.each([
    ['that name alone', []],
    ['that name and a digest', [`h.io/x@${digest}`]],
  ])('goes for good where an earlier removal was cut off and left %s', async (_, others) => {
    await using earlier = await start({ names });
    await hurry(() => earlier.docker.runtime.removeImage(imageId, never));
    const guard = earlier.docker.requests.at(-2)?.replace('DELETE /images/', '') ?? '';
    vi.useRealTimers();
    await using world = await start({ names: [guard, ...others] });

    expect(await world.docker.runtime.listImages(never)).toMatchObject([{ tags: [], digests: others }]);
    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(removed);
    expect(world.state.present).toBe(false);
  });

  it('gets its names back, and only those, when one showed', async () => {
    await using world = await start({ names, looks: [[], [], [imageId]] });

    expect(await hurry(() => world.docker.runtime.removeImage(imageId, never))).toEqual(inUse);
    expect([...world.state.names].toSorted()).toEqual(names);
  });
});

describe('undoRemovals', () => {
  const names = ['h.io/x:1', 'h.io/x:2', `h.io/x@${digest}`];

  it.each([
    ['nothing was begun', undefined],
    ['all names are there', { imageId, names }],
    ['the image is gone', { imageId: otherId, names: ['h.io/z:1'] }],
  ])('does nothing when %s', async (_, begun) => {
    await using world = await start({ names });

    expect(await world.docker.runtime.undoRemovals(begun, never)).toEqual([]);
    expect(world.docker.requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
  });

  it('gives an image its missing tags back, but for one that names another image by now', async () => {
    await using world = await start({ names: ['h.io/x:1', `h.io/x@${digest}`], otherNames: ['h.io/x:3'] });

    const begun = { imageId, names: [...names, 'h.io/x:3'] };
    expect(await world.docker.runtime.undoRemovals(begun, never)).toEqual([imageId]);
    expect([...world.state.names].toSorted()).toEqual(names);
  });

  it('pulls an image again that is gone under a container', async () => {
    await using world = await start({ looks: [[imageId]], pulled: 'image' });
    world.state.present = false;
    world.state.names.clear();

    expect(await world.docker.runtime.undoRemovals({ imageId, names }, never)).toEqual([imageId]);
    expect([...world.state.names].toSorted()).toEqual(names);
  });

  it('takes the name away by which a removal held the image', async () => {
    const local = ['h.io/local:1'];
    await using removal = await start({ names: local });
    await hurry(() => removal.docker.runtime.removeImage(imageId, never));
    const guard = removal.docker.requests.at(-2)?.replace('DELETE /images/', '') ?? '';
    await using world = await start({ names: [guard] });

    expect(await world.docker.runtime.undoRemovals({ imageId, names: local }, never)).toEqual([imageId]);
    expect([...world.state.names]).toEqual(local);
  });
});

describe('removeTraces', () => {
  const guard = `removal.stevedore.invalid/image:${'a'.repeat(32)}`;
  const listed = (names: readonly string[]) => ({
    'GET /images/json': json([{ Id: imageId, RepoTags: names, RepoDigests: [], Size: 1, Labels: {}, Containers: -1 }]),
  });

  it('takes a guard from an image that has other names, which stay', async () => {
    const names = ['h.io/x:1', guard];
    await using world = await start({ names }, listed(names));
    expect(await world.docker.runtime.removeTraces('guards', never)).toBe(1);
    expect([...world.state.names]).toEqual(['h.io/x:1']);
  });

  it('ends a removal that was cut off and cannot be undone, and says where a container forbids it', async () => {
    await using world = await start({ names: [guard] }, listed([guard]));
    expect(await world.docker.runtime.removeTraces('guards', never)).toBe(1);
    expect(world.state.present).toBe(false);

    await using used = await start({ names: [guard], refuse: () => true }, listed([guard]));
    await expect(used.docker.runtime.removeTraces('guards', never)).rejects.toThrow(/a container uses the image/);
  });

  it('finds nothing of any other kind', async () => {
    await using world = await start();
    for (const kind of ['pins', 'leases', 'ties'] as const)
      expect(await world.docker.runtime.removeTraces(kind, never)).toBe(0);
    expect(world.docker.requests).toEqual([]);
  });
});
