import { describe, expect, it } from 'vitest';

import { json, startDockerDaemon } from './docker-daemon.ts';

const never = new AbortController().signal;

function toDigest(character: string): string {
  return `sha256:${character.repeat(64)}`;
}

const a = toDigest('a');

describe('readImageDetails', () => {
  it('gives build time and labels, asks once, and leaves out what cannot be read', async () => {
    const b = toDigest('b');
    await using docker = await startDockerDaemon({
      [`GET /images/${a}/json`]: json({
        Id: a,
        Created: '2020-01-02T03:04:05.678901234Z',
        Config: { Labels: { team: 'ml' } },
        RootFS: {},
      }),
      [`GET /images/${b}/json`]: json({ Id: b, Created: '0001-01-01T00:00:00Z', Config: null, RootFS: {} }),
    });
    const ask = () => docker.runtime.readImageDetails([a, b, toDigest('c')], never);

    const details = new Map([
      [a, { builtAt: Date.UTC(2020, 0, 2, 3, 4, 5, 678), labels: { team: 'ml' } }],
      [b, { builtAt: undefined, labels: {} }],
    ]);
    expect(await ask()).toEqual(details);
    expect(await ask()).toEqual(details);
    expect(docker.requests.filter((request) => request.includes(a))).toHaveLength(1);
  });
});

describe('findInfrastructureImages', () => {
  it('finds the sandbox image by its name in any registry, and by the containers that run it', async () => {
    const images = [
      ['1', ['registry.k8s.io/pause:3.9']],
      ['2', ['k8s.gcr.io/pause-amd64:3.1']],
      ['3', ['harbor.example.com:5000/proxy/rancher/mirrored-pause:3.6']],
      ['4', []],
      ['5', ['cache.lan/team/pause-button:1', 'cache.lan/pause/app:1', 'cache.lan/unpause:1']],
      ['6', ['cache.lan/team/sandbox:1']],
      ['7', ['<none>:<none>']],
    ] as const;
    const byDigest = `registry.k8s.io/pause@${toDigest('d')}`;
    await using docker = await startDockerDaemon({
      'GET /images/json': json(
        images.map(([Id, RepoTags]) => ({ Id, RepoTags, RepoDigests: Id === '4' ? [byDigest] : null })),
      ),
      'GET /containers/json': json([
        { ImageID: '6', Labels: { 'io.kubernetes.docker.type': 'podsandbox' } },
        { ImageID: '5', Labels: { 'io.kubernetes.docker.type': 'container' } },
        { ImageID: '7', Labels: null },
      ]),
    });

    expect([...(await docker.runtime.findInfrastructureImages(never))].toSorted()).toEqual(['1', '2', '3', '4', '6']);
  });
});
