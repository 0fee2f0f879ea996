import { describe, expect, it } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { createImageDetails, toImageDetails } from '../../../agent/runtime/cri/image-details.ts';
import { isPauseImage, readSandboxImageName } from '../../../agent/runtime/cri/sandbox-image.ts';
import { ScriptedGrpc } from './scripted-grpc.ts';

const signal = new AbortController().signal;
const rootfs = { type: 'layers', diff_ids: [] };

describe('what an image config says', () => {
  it.each([
    ['2020-01-02T03:04:05Z', Date.UTC(2020, 0, 2, 3, 4, 5)],
    ['2020-01-02T03:04:05.678912345+01:00', Date.UTC(2020, 0, 2, 2, 4, 5, 678)],
    ['1970-01-01T00:00:00Z', 0],
    ['0001-01-01T00:00:00Z', undefined],
    ['yesterday', undefined],
    [undefined, undefined],
  ])('created %s: built at %s', (created, builtAt) => {
    expect(toImageDetails({ created, rootfs })).toEqual({ builtAt, labels: {} });
  });

  it('has the labels that are texts', () => {
    const config = { Labels: { team: 'ml', odd: 1 } };
    expect(toImageDetails({ config, rootfs })?.labels).toEqual({ team: 'ml' });
    expect(toImageDetails({ config: { Labels: null }, rootfs })?.labels).toEqual({});
  });

  it.each([undefined, null, 'text', [], {}, { config: { digest: 'd' }, layers: [] }])('is nothing in %o', (value) => {
    expect(toImageDetails(value)).toBeUndefined();
  });

  it('is asked for once for each image that is there, and again for one that could not be read', async () => {
    const asked: string[] = [];
    const configs = new Map<string, unknown>([['a', { rootfs }]]);
    const details = createImageDetails(async (imageId) => {
      asked.push(imageId);
      return await Promise.resolve(configs.get(imageId));
    });
    expect([...(await details.read(['a', 'a', 'b'], signal)).keys()]).toEqual(['a']);
    configs.set('b', { rootfs });
    expect([...(await details.read(['a', 'b'], signal)).keys()].toSorted()).toEqual(['a', 'b']);
    expect(asked.toSorted()).toEqual(['a', 'b', 'b']);
    details.keepOnly(new Set(['b']));
    await details.read(['a', 'b'], signal);
    expect(asked.toSorted()).toEqual(['a', 'a', 'b', 'b']);
  });
});

describe('the sandbox image', () => {
  it.each([
    ['containerd, CRI-O', { config: '{"sandboxImage":"registry.k8s.io/pause:3.9"}' }, 'registry.k8s.io/pause:3.9'],
    ['a short name', { config: '{"sandboxImage":"rancher/pause"}' }, 'docker.io/rancher/pause:latest'],
    ['containerd 2', { config: '{"stateDir":"/run"}' }, undefined],
    ['others', {}, undefined],
    ['no JSON', { config: 'pause_image = "x"' }, undefined],
  ])('is told by the verbose status: %s', async (_runtime, info, expected) => {
    const grpc = new ScriptedGrpc({ 'RuntimeService/Status': { info } });
    expect(await readSandboxImageName(grpc.client, signal)).toBe(expected);
  });

  it('is not told by a runtime that fails, but a runtime that is away is away', async () => {
    const grpc = new ScriptedGrpc({ 'RuntimeService/Status': new Failure('runtime', 'no') });
    expect(await readSandboxImageName(grpc.client, signal)).toBeUndefined();
    const away = new Failure('runtime', 'nobody answers', { detail: 'unavailable' });
    grpc.answers['RuntimeService/Status'] = away;
    await expect(readSandboxImageName(grpc.client, signal)).rejects.toBe(away);
  });

  it.each([
    'registry.k8s.io/pause:3.10',
    'k8s.gcr.io/pause:3.6',
    'docker.io/rancher/mirrored-pause:3.6',
    'mcr.microsoft.com/oss/kubernetes/pause:3.6',
    '602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.5',
    `registry.k8s.io/pause@sha256:${'a'.repeat(64)}`,
  ])('is known by its name: %s', (name) => {
    const [tags, digests] = name.includes('@') ? [[], [name]] : [[name], []];
    expect(isPauseImage({ tags, digests })).toBe(true);
  });

  it.each(['docker.io/library/pause:1', 'registry.k8s.io/pause-tool/x:1', 'evil.example/registry.k8s.io/pause:3'])(
    'is not just any: %s',
    (name) => expect(isPauseImage({ tags: [name], digests: [] })).toBe(false),
  );
});
