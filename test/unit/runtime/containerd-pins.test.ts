import { describe, expect, it } from 'vitest';
import { savePin } from '../../../agent/runtime/containerd/pins.ts';
import { ScriptedGrpc } from './scripted-grpc.ts';

const name = 'docker.io/library/app:1';
const target = { media_type: 'm', digest: 'd', size: '1' };
const signal = new AbortController().signal;
const kubelet = 'io.cri-containerd.pinned';
const ours = 'stevedore.dev/pinned';

async function save(labels: Record<string, string>, pinned: boolean): Promise<unknown> {
  const grpc = new ScriptedGrpc({
    'Images/Get': { image: { name, labels: { 'io.cri-containerd.image': 'managed', ...labels }, target } },
    'Images/Update': {},
  });
  await savePin(grpc.client, name, pinned, signal);
  return grpc.asked.find(({ method }) => method === 'Images/Update')?.request;
}

describe('a pin on containerd', () => {
  // Without a target in the request containerd 1.7 and 2.1 die.
  const update = (labels: Record<string, string>) => ({
    image: { name, labels, target },
    update_mask: { paths: [`labels.${kubelet}`, `labels.${ours}`] },
  });

  it.each([
    ['nothing', {}],
    ['what is left of a pin of ours', { [ours]: 'true' }],
    ['an empty label', { [kubelet]: '' }],
  ])('is set with both labels at once on %s', async (_what, labels) => {
    expect(await save(labels, true)).toEqual(update({ [kubelet]: 'pinned', [ours]: 'true' }));
  });

  it('of ours is taken back with both labels, and not set again', async () => {
    const labels = { [kubelet]: 'pinned', [ours]: 'true' };
    expect(await save(labels, false)).toEqual(update({}));
    expect(await save(labels, true)).toBeUndefined();
  });

  it('that is not there is not taken back', async () => {
    expect(await save({}, false)).toBeUndefined();
  });

  it.each([
    ['alone', { [kubelet]: 'pinned' }],
    ['with another value', { [kubelet]: 'by-somebody', [ours]: 'true' }],
  ])('of somebody else (%s) is left alone', async (_what, labels) => {
    expect(await save(labels, true)).toBeUndefined();
    expect(await save(labels, false)).toBeUndefined();
  });
});
