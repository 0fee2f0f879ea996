import { describe, expect, it } from 'vitest';

import { type Answer, json, startDockerDaemon } from './docker-daemon.ts';

const id = `sha256:${'a'.repeat(64)}`;
const digest = `sha256:${'d'.repeat(64)}`;
const never = new AbortController().signal;

/** A daemon with one image, which behaves as dockerd's graph driver does: the last tag of a repository takes its digests along. */
function world(options: {
  names?: string[];
  containers?: () => readonly string[];
  refuse?: (name: string) => boolean;
}) {
  const names = new Set(options.names ?? ['h.io/x:1', `h.io/x@${digest}`]);
  const state = { present: true, names };
  const containers = options.containers ?? (() => []);
  const inspection: Answer = (response, ...rest) => {
    const tags = [...names].filter((name) => !name.includes('@'));
    const digests = [...names].filter((name) => name.includes('@'));
    const body = { Id: id, RepoTags: tags, RepoDigests: digests, RootFS: {} };
    (state.present ? json(body) : json({ message: 'No such image' }, 404))(response, ...rest);
  };
  const remove =
    (name: string): Answer =>
    (response, ...rest) => {
      if (!state.present || (name !== id && !names.has(name)))
        return json({ message: 'No such image' }, 404)(response, ...rest);
      if (options.refuse?.(name)) return json({ message: 'conflict: container is using it' }, 409)(response, ...rest);
      names.delete(name);
      const repository = `${name.split(':')[0]}`;
      if (![...names].some((left) => left.startsWith(`${repository}:`))) names.delete(`${repository}@${digest}`);
      if (names.size === 0 && containers().length === 0) state.present = false;
      return json([{ Untagged: name }])(response, ...rest);
    };
  const answers: Record<string, Answer> = {
    [`GET /images/${id}/json`]: inspection,
    'GET /containers/json': (response, ...rest) =>
      json(containers().map((ImageID) => ({ Id: 'c1', ImageID })))(response, ...rest),
    [`POST /images/${id}/tag`]: (response, request, url) => {
      names.add(`${url.searchParams.get('repo')}:${url.searchParams.get('tag')}`);
      json(undefined, 201)(response, request, url);
    },
  };
  for (const name of [...names, id]) answers[`DELETE /images/${name}`] = remove(name);
  return { state, answers };
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
    const { state, answers } = world({ names });
    await using docker = await startDockerDaemon(answers);

    expect(await docker.runtime.removeImage(id, never)).toBe('removed');
    expect(state.present).toBe(false);
    expect(docker.requests.some((request) => request.includes('force'))).toBe(false);
  });

  it('says absent for an image that is not there', async () => {
    await using docker = await startDockerDaemon({});
    expect(await docker.runtime.removeImage(id, never)).toBe('absent');
  });

  it('touches nothing while a container uses the image', async () => {
    const { answers } = world({ containers: () => [id] });
    await using docker = await startDockerDaemon(answers);

    expect(await docker.runtime.removeImage(id, never)).toBe('in_use');
    expect(docker.requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
  });

  it('is not held by the containers of other images', async () => {
    const { answers } = world({ containers: () => [`sha256:${'b'.repeat(64)}`] });
    await using docker = await startDockerDaemon({ ...answers, [`DELETE /images/h.io/x:1`]: json([]) });

    expect(await docker.runtime.removeImage(id, never)).toBe('removed');
  });

  it('puts the tags back when a container came in between and dockerd refuses', async () => {
    const names = ['h.io/x:1', 'h.io/x:2', `h.io/x@${digest}`];
    const { state, answers } = world({ names, refuse: (name) => name === 'h.io/x:2' });
    await using docker = await startDockerDaemon(answers);

    expect(await docker.runtime.removeImage(id, never)).toBe('in_use');
    expect([...state.names].toSorted()).toEqual(names.toSorted());
  });

  it('puts the tag back when the container came so late that dockerd took the last tag without a word', async () => {
    let looks = 0;
    const { state, answers } = world({ names: ['h.io/x:1'], containers: () => (looks++ === 0 ? [] : [id]) });
    await using docker = await startDockerDaemon(answers);

    expect(await docker.runtime.removeImage(id, never)).toBe('in_use');
    expect([...state.names]).toEqual(['h.io/x:1']);
  });

  it('puts the tags back when dockerd fails half way, and says why', async () => {
    const { state, answers } = world({ names: ['h.io/x:1', 'h.io/x:2'] });
    await using docker = await startDockerDaemon({
      ...answers,
      'DELETE /images/h.io/x:2': json({ message: 'driver failed' }, 500),
    });

    await expect(docker.runtime.removeImage(id, never)).rejects.toMatchObject({
      code: 'runtime',
      message: 'driver failed',
    });
    expect([...state.names].toSorted()).toEqual(['h.io/x:1', 'h.io/x:2']);
  });

  it('an abort half way does not leave half of the names', async () => {
    const controller = new AbortController();
    const { state, answers } = world({ names: ['h.io/x:1', 'h.io/x:2', 'h.io/x:3'] });
    const first = answers['DELETE /images/h.io/x:1'] as Answer;
    await using docker = await startDockerDaemon({
      ...answers,
      'DELETE /images/h.io/x:1': (...all) => {
        controller.abort();
        return first(...all);
      },
    });

    expect(await docker.runtime.removeImage(id, controller.signal)).toBe('removed');
    expect(state.names.size).toBe(0);
  });
});
