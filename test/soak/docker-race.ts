/**
 * Removes an image and makes a container of it, brought close together, again and again on a real dockerd. What must hold after each try: a
 * container that was made has its image, with all the names that it had; an image that was removed has neither names nor containers.
 */

import { setTimeout as wait } from 'node:timers/promises';
import { createDockerClient, type DockerClient, refusalStatus } from '../../agent/runtime/docker/docker-client.ts';
import { createDockerRuntime } from '../../agent/runtime/docker/docker-runtime.ts';
import type { Removal, Runtime } from '../../agent/runtime/runtime.ts';
import { type Dice, makeDice } from '../churn/dice.ts';
import { startDockerd } from '../harness/dockerd.ts';
import { type BuiltImage, buildLayer, busyboxImage } from '../harness/images.ts';
import { startRegistry } from '../harness/registry.ts';
import { containerMaker } from './docker-containers.ts';

export interface DockerRaceOptions {
  readonly tries: number;
  readonly seed: number;
  /** Folder of another version's files. */
  readonly bin?: string;
  /** Instead of the adapter: a look that nothing uses the image, and a DELETE. To see that the race finds what it is after. */
  readonly naive?: boolean;
  readonly say?: (line: string) => void;
}

export interface DockerRaceReport {
  readonly version: string;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
  readonly msPerTry: number;
}

interface RaceImage {
  readonly kind: 'pulled' | 'pulled twice' | 'shared' | 'loaded';
  readonly built: BuiltImage;
  readonly tags: readonly string[];
  /** Where it comes from; undefined: it is loaded. */
  readonly digestName: string | undefined;
}

/** From the beginning of the removal on: the time that it takes, and a bit before. */
const earliestMs = -15;
const latestMs = 60;
/** The adapter keeps an image for this long by another name when it may not be pulled again. */
const guardedMs = 1_200;

export async function runDockerRemovalRace(options: DockerRaceOptions): Promise<DockerRaceReport> {
  const dice = makeDice(options.seed);
  const [dockerd, registry] = await Promise.all([
    startDockerd(options.bin === undefined ? {} : { bin: options.bin }),
    startRegistry(),
  ]);
  const runtime = createDockerRuntime({ endpoint: dockerd.endpoint });
  const client = createDockerClient(dockerd.socket);
  const containers = containerMaker(dockerd.socket);
  const outcomes = new Map<string, number>();
  const violations: string[] = [];
  const startedAt = performance.now();

  const isStore = (await runtime.info(soon())).imageStore === 'containerd';

  async function provide({ tags, digestName, built }: RaceImage): Promise<void> {
    if (digestName === undefined) await dockerd.load(built, tags[0] ?? '');
    else await pull(runtime, digestName);
    const id = await idOf(client, digestName ?? tags[0] ?? '');
    for (const tag of tags) await runtime.addName(id ?? '', tag, soon());
  }

  async function tryOnce(index: number, image: RaceImage): Promise<void> {
    await provide(image);
    const id = (await idOf(client, image.tags[0] ?? '')) ?? '';
    const before = await namesOf(runtime, id);
    const by = toReference(dice, image, id);
    const latest = (image.kind === 'loaded' || isStore) && dice.chance(0.5) ? guardedMs : latestMs;
    const delayMs = earliestMs + dice.next() * (latest - earliestMs);
    const made = wait(Math.max(0, delayMs)).then(() => containers.create(by));
    await wait(Math.max(0, -delayMs));
    registry.requests.length = 0;
    const removal = await (options.naive === true ? removeNaively(client, id) : runtime.removeImage(id, soon()));
    const container = await made;
    const after = await namesOf(runtime, id);

    const wrong = judge(removal.kind, container !== undefined, before, after);
    const how = `${image.kind}, ${by === id ? 'by id' : by.includes('@') ? 'by digest' : 'by tag'}, ${delayMs.toFixed(1)} ms`;
    violations.push(...wrong.map((what) => `try ${index}, ${how}: ${what}`));
    const again = registry.requests.length > 0 ? ', pulled again' : '';
    const outcome = `${image.kind}: ${removal.kind}, ${container === undefined ? 'no container' : 'container'}${again}`;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (container !== undefined) await containers.remove(container);
  }

  try {
    const images = await makeImages(registry);
    await pull(runtime, (await registry.push('race/above', '1', aboveShared())).reference);
    for (let index = 0; index < options.tries; index += 1) {
      // What waits a second is tried less often.
      await tryOnce(index, dice.chance(0.85) ? dice.pick(images.quick) : dice.pick(images.slow));
      if ((index + 1) % 100 === 0) options.say?.(`${index + 1} tries, ${violations.length} violations`);
    }
    const msPerTry = (performance.now() - startedAt) / options.tries;
    return { version: dockerd.version, outcomes, violations, msPerTry };
  } finally {
    runtime.close();
    client.close();
    containers.close();
    await Promise.all([dockerd.remove(), registry.remove()]);
  }
}

const sharedLayers = [buildLayer({ seed: 'race shared', sizeBytes: 10_000 })];

/** All layers of the image `shared`, and one more. */
function aboveShared(): BuiltImage {
  return busyboxImage([...sharedLayers, buildLayer({ seed: 'race above', sizeBytes: 10_000 })]);
}

async function makeImages(registry: Awaited<ReturnType<typeof startRegistry>>) {
  const build = (seed: string): BuiltImage => busyboxImage([buildLayer({ seed, sizeBytes: 10_000 })]);
  const push = async (kind: RaceImage['kind'], built: BuiltImage, more: readonly string[]): Promise<RaceImage> => {
    const { reference, digestReference } = await registry.push(`race/${kind.replace(' ', '-')}`, '1', built);
    return { kind, built, tags: [reference, ...more], digestName: digestReference };
  };
  const pulled = await push('pulled', build('race pulled'), []);
  const twice = await push('pulled twice', build('race twice'), ['race.test/twice:2', 'race.test/other:1']);
  const shared = await push('shared', busyboxImage(sharedLayers), []);
  const tags = ['race.test/loaded:1', 'race.test/loaded:2'];
  const loaded: RaceImage = { kind: 'loaded', built: build('race loaded'), tags, digestName: undefined };
  return { quick: [pulled, twice], slow: [shared, loaded] };
}

/** By its id nothing can be promised of an image that was not pulled. */
function toReference(dice: Dice, { tags, digestName, kind }: RaceImage, id: string): string {
  const all = [...tags, ...(digestName === undefined ? [] : [digestName])];
  return dice.pick(kind === 'loaded' ? all : [...all, id, id]);
}

function judge(answer: Removal['kind'], made: boolean, before: readonly string[], after: readonly string[]): string[] {
  const lost = before.filter((name) => !after.includes(name));
  const foreign = after.filter((name) => !before.includes(name));
  const wrong = foreign.map((name) => `has the name ${name}, which it had not`);
  if (answer === 'removed') {
    if (made) wrong.push(`a container, and its image was removed; names left: ${after.join(' ')}`);
    else if (after.length > 0) wrong.push(`removed, and still there: ${after.join(' ')}`);
  } else if (lost.length > 0)
    wrong.push(`${answer}, ${made ? 'a container' : 'no container'}, lost: ${lost.join(' ')}`);
  return wrong;
}

async function removeNaively(client: DockerClient, id: string): Promise<Removal> {
  const call = { method: 'GET', path: '/containers/json', query: { all: '1' } } as const;
  const used = (await client.call(call, 60_000, soon())) as readonly { readonly ImageID: string }[];
  if (used.some(({ ImageID }) => ImageID === id)) return { kind: 'in_use' };
  const image = (await client.call({ method: 'GET', path: `/images/${id}/json` }, 60_000, soon())) as {
    readonly RepoTags: readonly string[];
  };
  for (const tag of image.RepoTags) {
    try {
      await client.call({ method: 'DELETE', path: `/images/${tag}` }, 60_000, soon());
    } catch (error) {
      if (refusalStatus(error) === 409) return { kind: 'in_use' };
      throw error;
    }
  }
  return { kind: 'removed', freed: undefined };
}

function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

async function pull(runtime: Runtime, reference: string): Promise<void> {
  await runtime.pull({ reference, credential: undefined, expected: undefined, onProgress: () => {} }, soon());
}

async function idOf(client: DockerClient, name: string): Promise<string | undefined> {
  const call = { method: 'GET', path: `/images/${name}/json` } as const;
  const image = (await client.call(call, 60_000, soon()).catch(() => undefined)) as { readonly Id: string } | undefined;
  return image?.Id;
}

async function namesOf(runtime: Runtime, id: string): Promise<string[]> {
  const image = (await runtime.listImages(soon())).find((one) => one.id === id);
  return image === undefined ? [] : [...image.tags, ...image.digests].toSorted();
}
