import { expect, vi } from 'vitest';
import type { Credential } from '../../agent/core/credentials.ts';
import { Failure } from '../../agent/core/failure.ts';
import { toChainIds } from '../../agent/core/layers.ts';
import type { ExpectedBlob, PullProgress, PullRequest, Runtime, RuntimeImage } from '../../agent/runtime/runtime.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import type { BuiltImage, BuiltIndex } from '../harness/images.ts';
import type { ContractRegistry, Subject } from './subject.ts';

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
