import { afterEach, expect, vi } from 'vitest';
import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import { toChainIds } from '../../agent/core/layers.ts';
import type {
  ExpectedBlob,
  PullProgress,
  PullRequest,
  Runtime,
  RuntimeContainer,
  RuntimeImage,
} from '../../agent/runtime/runtime.ts';
import { buildImage, buildLayer, busyboxImage } from '../harness/images.ts';
import type { BuiltImage, BuiltIndex } from '../harness/images.ts';
import type { ContractContainers, ContractRegistry, Subject } from './subject.ts';

/** No call of the suite may take longer: a hang shows as a TimeoutError, not as a test that never ends. */
export function soon(ms = 30_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

export interface PullOptions {
  readonly credential?: Credential;
  readonly expected?: readonly ExpectedBlob[];
  readonly onProgress?: (progress: PullProgress) => void;
}

export function toRequest(reference: string, options: PullOptions = {}): PullRequest {
  return {
    reference,
    credential: options.credential,
    expected: options.expected,
    onProgress: options.onProgress ?? (() => {}),
  };
}

export async function pull(runtime: Runtime, reference: string, options: PullOptions = {}): Promise<string> {
  return (await runtime.pull(toRequest(reference, options), soon())).imageId;
}

/** Pushes under `contract/<name>:1` and gives the normalised reference. */
export async function push(
  registry: ContractRegistry,
  name: string,
  image: BuiltImage | BuiltIndex,
  tag = '1',
): Promise<string> {
  await registry.push(`contract/${name}`, tag, image);
  return `${registry.host}/contract/${name}:${tag}`;
}

/** An image of one small layer that no other test uses. */
export function smallImage(seed: string): BuiltImage {
  return buildImage({ layers: [buildLayer({ seed, sizeBytes: 2_000 })] });
}

export function chainIdsOf(image: BuiltImage): string[] {
  return toChainIds(image.layers.map((layer) => layer.diffId));
}

/** The id that the runtime gives to the image; `index`: what it was pulled by, where that was an index. */
export function idOf({ expected }: Subject, image: BuiltImage, index?: BuiltIndex): string {
  if (expected.containerdImageStore !== true) return image.configDigest;
  return index?.indexDigest ?? image.manifestDigest;
}

export async function findImage(runtime: Runtime, imageId: string): Promise<RuntimeImage | undefined> {
  const images = await runtime.listImages(soon());
  return images.find((image) => image.id === imageId);
}

/** Config and layers, as the registry's manifest would name them. */
export function toExpected(image: BuiltImage): ExpectedBlob[] {
  return [
    { digest: image.configDigest, sizeBytes: image.config.length },
    ...image.layers.map((layer) => ({ digest: layer.digest, sizeBytes: layer.blob.length })),
  ];
}

/** For what the runtime does in its own time: tries until it holds. */
export function eventually<T>(check: () => Promise<T> | T): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000, interval: 20 });
}

export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const outcome = await work.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (!(outcome instanceof Failure)) throw new Error(`expected a Failure, got ${String(outcome)}`, { cause: outcome });
  return outcome;
}

export async function expectUnavailable(work: Promise<unknown>): Promise<void> {
  const { code, detail } = await failureOf(work);
  expect({ code, detail }).toEqual({ code: 'runtime', detail: 'unavailable' });
}

/** What a runtime does not declare, it refuses. */
export async function expectCannot(work: Promise<unknown>): Promise<void> {
  expect((await failureOf(work)).code).toBe('runtime');
}

export function runnableImage(seed: string): BuiltImage {
  return busyboxImage([buildLayer({ seed, sizeBytes: 1_000 })]);
}

export interface Present {
  readonly reference: string;
  readonly image: BuiltImage;
  readonly id: string;
}

/** Pushes the image and pulls it. */
export async function present(subject: Subject, name: string, image = smallImage(name)): Promise<Present> {
  const reference = await push(subject.registry, name, image);
  await pull(subject.runtime, reference);
  return { reference, image, id: idOf(subject, image) };
}

/** The subject's containers; all that a test leaves behind go after it. */
export function trackContainers(subject: () => Subject): ContractContainers {
  const made = new Set<string>();
  const keep = (id: string): string => {
    made.add(id);
    return id;
  };
  const remove = async (id: string): Promise<void> => {
    made.delete(id);
    await subject().containers.remove(id);
  };
  afterEach(async () => {
    for (const id of made) await remove(id);
  });
  return {
    create: async (reference) => keep(await subject().containers.create(reference)),
    run: async (reference) => keep(await subject().containers.run(reference)),
    stop: async (id) => {
      const { containers, runtime } = subject();
      await containers.stop(id);
      await eventually(async () => expect(await findContainer(runtime, id)).toMatchObject({ state: 'exited' }));
    },
    remove,
  };
}

export async function findContainer(runtime: Runtime, id: string): Promise<RuntimeContainer | undefined> {
  return (await runtime.listContainers(soon())).find((container) => container.id === id);
}

/** Every name, tags and digests. */
export async function namesOf(runtime: Runtime, imageId: string): Promise<string[]> {
  const image = await findImage(runtime, imageId);
  return image === undefined ? [] : [...image.tags, ...image.digests].toSorted();
}
