import { describe, expect, it } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { toAuth, toNamedImageIds, toRuntimeContainer, toRuntimeImage } from '../../../agent/runtime/cri/cri-calls.ts';

const hex = 'a'.repeat(64);
const digest = `sha256:${'b'.repeat(64)}`;

describe('an image of the CRI', () => {
  it('has normalised names and drops what is no name', () => {
    const image = toRuntimeImage({
      id: `sha256:${hex}`,
      repo_tags: ['busybox', 'docker.io/library/busybox:latest', '<none>:<none>', 'cache.lan:5000/a:1'],
      repo_digests: [`busybox@${digest}`],
      size: '2187940',
      pinned: true,
    });
    expect(image).toEqual({
      id: `sha256:${hex}`,
      tags: ['cache.lan:5000/a:1', 'docker.io/library/busybox:latest'],
      digests: [`docker.io/library/busybox@${digest}`],
      sizeBytes: 2187940,
      pinnedNames: [],
      pinnedByOthers: true,
      whole: true,
    });
  });

  it('has its id as a digest, also where the runtime leaves the algorithm out (CRI-O)', () => {
    expect(toRuntimeImage({ id: hex, repo_tags: [], repo_digests: [], size: '0', pinned: false }).id).toBe(
      `sha256:${hex}`,
    );
  });
});

describe('a container of the CRI', () => {
  const container = { id: 'c1', image_ref: `sha256:${hex}`, state: 1, created_at: '1795267287773000000', image_id: '' };

  it('names its image as the pod does, where the kubelet passes the id', () => {
    const image = { image: `sha256:${hex}`, user_specified_image: 'busybox:1' };
    expect(toRuntimeContainer({ ...container, image })).toEqual({
      id: 'c1',
      state: 'running',
      imageIds: [`sha256:${hex}`],
      imageName: 'docker.io/library/busybox:1',
      createdAt: 1795267287773,
      startedAt: undefined,
      finishedAt: undefined,
    });
  });

  it('has no image name where only the id is known', () => {
    expect(toRuntimeContainer({ ...container, image: { image: `sha256:${hex}` } }).imageName).toBeUndefined();
  });

  it('that gives no id (older CRI-O) may be of every image that it names, by digest or by tag', () => {
    const image = (id: string, name: string) =>
      toRuntimeImage({ id, repo_tags: [name], repo_digests: [], size: '0', pinned: false });
    const images = [
      image('by digest', `docker.io/library/app@${digest}`),
      image('by tag', 'docker.io/library/app:1'),
      image('another', 'docker.io/library/app:2'),
    ];
    const source = { ...container, image_ref: `docker.io/library/app@${digest}`, image: { image: 'app:1' } };
    expect(toRuntimeContainer(source).imageIds).toEqual([]);
    expect(toNamedImageIds(source, images)).toEqual(['by digest', 'by tag']);
  });

  it.each([
    [0, 'created'],
    [1, 'running'],
    [2, 'exited'],
    [3, 'unknown'],
    [9, 'unknown'],
  ])('in state %i is %s', (state, expected) => {
    expect(toRuntimeContainer({ ...container, image: null, state }).state).toBe(expected);
  });
});

describe('a credential for the CRI', () => {
  it.each([
    ['cache.lan:5000', 'https://cache.lan:5000'],
    // containerd compares with the host that it asks, which for Docker Hub is not the one in the reference.
    ['docker.io', 'https://registry-1.docker.io'],
  ])('of %s is bound to %s', (host, address) => {
    expect(toAuth(new Credential(host, 'robot', 'secret'))).toEqual({
      username: 'robot',
      password: 'secret',
      server_address: address,
    });
  });
});
