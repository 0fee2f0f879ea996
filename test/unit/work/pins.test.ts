import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { PinBudget } from '../../../agent/core/configuration.ts';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { Pins } from '../../../agent/work/pins.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';
import { sampleSet } from '../../fakes/samples.ts';

const [a, b, c] = ['reg.example/a:1', 'reg.example/b:1', 'reg.example/c:1'] as const;
const never = new AbortController().signal;
const ample: PinBudget = { kind: 'bytes', bytes: 1_000_000 };

let runtime: FakeRuntime;
let recorder: RecordingRecorder;
let pins: Pins;

beforeEach(() => {
  use(new FakeRuntime());
});

function use(one: FakeRuntime): void {
  runtime = one;
  recorder = new RecordingRecorder();
  pins = new Pins(recorder, silentLogger);
  for (const name of [a, b, c]) runtime.addImage(name, { layers: [1_000] });
}

/** One look: what is listed is what the plan goes by. */
async function look(desired: readonly string[], budget = ample, signal = never): Promise<void> {
  const connected = { runtime, info: await runtime.info(never) };
  const images = await runtime.listImages(never);
  await pins.keep(
    { connected, desired: toDesired([sampleSet('s', desired)], {}).images, images, filesystem: undefined, budget },
    signal,
  );
}

async function pinned(): Promise<string[]> {
  return (await runtime.listImages(never)).flatMap(({ pinnedNames }) => pinnedNames).toSorted();
}

const asked = (method: string) => runtime.calls.filter((call) => call.method === method).map(({ target }) => target);

describe('a desired image', () => {
  test('is pinned, and when that is so nothing more is asked of the runtime', async () => {
    await look([a, b]);
    expect(await pinned()).toEqual([a, b]);
    expect(recorder.pinned).toBe(2);
    await look([a, b]);
    const calls = [asked('setPinned').length, asked('listImageParts').length];
    for (let n = 0; n < 5; n += 1) await look([a, b]);
    expect([asked('setPinned').length, asked('listImageParts').length]).toEqual(calls);
  });

  test('of which the runtime cannot say what it takes counts with its nominal size, and that is not asked at every look', async () => {
    const listed = vi.spyOn(runtime, 'listImageParts').mockResolvedValue(new Map());
    await look([a]);
    expect(await pinned()).toEqual([a]);
    await look([a]);
    const calls = listed.mock.calls.length;
    for (let n = 0; n < 5; n += 1) await look([a]);
    expect(listed).toHaveBeenCalledTimes(calls);
  });

  test('gets its pin back when that is lost, as after a pull by the kubelet', async () => {
    for (let n = 0; n < 3; n += 1) await look([a, b]);
    runtime.losePin(a);
    expect(await pinned()).toEqual([b]);
    await look([a, b]);
    expect(await pinned()).toEqual([a, b]);
  });

  test('that is pulled again under its tag is pinned again', async () => {
    for (let n = 0; n < 3; n += 1) await look([a]);
    runtime.vanish(a);
    runtime.addImage(a, { layers: [2_000] });
    await look([a]);
    expect(await pinned()).toEqual([a]);
  });

  test('loses its pin when it is no longer desired', async () => {
    for (let n = 0; n < 3; n += 1) await look([a, b]);
    await look([b]);
    expect(await pinned()).toEqual([b]);
    expect(recorder.pinned).toBe(1);
  });
});

describe('a pin of somebody else', () => {
  test('is left alone, desired or not, and not asked for again and again', async () => {
    runtime.pinByOther(a);
    runtime.pinByOther(c);
    for (let n = 0; n < 5; n += 1) await look([a, b]);
    await look([b]);
    const images = await runtime.listImages(never);
    expect(images.filter(({ pinnedByOthers }) => pinnedByOthers).flatMap(({ tags }) => tags)).toEqual([a, c]);
    expect(asked('setPinned')).toEqual([b]);
  });

  test('that goes leaves a desired image for us to pin', async () => {
    runtime.pinByOther(a);
    for (let n = 0; n < 3; n += 1) await look([a]);
    runtime.losePin(a);
    await look([a]);
    expect(await pinned()).toEqual([a]);
  });
});

describe('the budget', () => {
  /** Each image takes 1,000 bytes compressed and 2,000 unpacked, and its config. */
  const forTwo: PinBudget = { kind: 'bytes', bytes: 7_000 };

  test('goes by what the images take on the disk, in the order of the configuration', async () => {
    await look([c, b, a], forTwo);
    expect(await pinned()).toEqual([b, c]);
    await look([c, b, a], ample);
    expect(await pinned()).toEqual([a, b, c]);
    await look([c, b, a], forTwo);
    expect(await pinned()).toEqual([b, c]);
  });

  test('as a share of a filesystem that cannot be seen sets no pin, and takes back what is not desired', async () => {
    await look([a, b]);
    await look([a, c], { kind: 'share', ratio: 0.5 });
    expect(await pinned()).toEqual([a]);
  });
});

describe('when the runtime fails', () => {
  test('a pin that could not be set is set at the next look, and not counted until then', async () => {
    runtime.failNext('setPinned', new Failure('runtime', 'busy'), a);
    await look([a, b]);
    expect(await pinned()).toEqual([b]);
    expect(recorder.pinned).toBe(1);
    await look([a, b]);
    expect(await pinned()).toEqual([a, b]);
    expect(recorder.pinned).toBe(2);
  });

  test('a pin that could not be taken back is taken back at the next look', async () => {
    await look([a, b]);
    runtime.failNext('setPinned', new Failure('runtime', 'busy'), a);
    await look([b]);
    expect(recorder.pinned).toBe(1);
    expect(await pinned()).toEqual([a, b]);
    await look([b]);
    expect(await pinned()).toEqual([b]);
  });

  test('while it cannot say what images take, nothing is pinned, and nothing thrown', async () => {
    runtime.failNext('listImageParts', new Failure('runtime', 'busy'));
    await look([a]);
    expect(await pinned()).toEqual([]);
    await look([a]);
    expect(await pinned()).toEqual([a]);
  });

  test('an abort ends it', async () => {
    await expect(look([a], ample, AbortSignal.abort('enough'))).rejects.toBe('enough');
    expect(await pinned()).toEqual([]);
  });
});

test('a runtime without pins is asked for nothing', async () => {
  use(new FakeRuntime({ like: 'docker' }));
  await look([a]);
  expect([asked('setPinned'), asked('listImageParts')]).toEqual([[], []]);
});
