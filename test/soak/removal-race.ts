/**
 * Removes an image and makes a container of it, brought close together, again and again on a real containerd. What must hold after each try:
 * a container that was made has its image with all its names and parts; an image that was removed has neither names nor containers.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type { Removal } from '../../agent/runtime/runtime.ts';
import type { GrpcClient } from '../../agent/runtime/grpc/client.ts';
import { Failure } from '../../agent/core/failure.ts';
import { type Dice, makeDice } from '../churn/dice.ts';
import { raceContainers, type RaceContainers, type RaceImage } from './race-containers.ts';
import { type RaceNode, removalOn, soon, startRaceNode } from './race-node.ts';

/** What is taken out of the adapter's hands, to see that the race finds it: the look after the names are gone, the tie. */
export type Handicap = 'looks' | 'tie';

export interface RaceOptions {
  readonly tries: number;
  readonly seed: number;
  readonly without?: readonly Handicap[];
  readonly bin?: string;
  readonly say?: (line: string) => void;
}

export interface RaceReport {
  readonly version: string;
  readonly tries: number;
  /**
   * `removed, no container`: the container found no image. `in use before`: it was seen before a name went; `undone`: after that; `kept by the
   * collector`: not seen at all, only the tie saved the image.
   */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
  readonly msPerTry: number;
}

/** About as many calls as a removal makes: a container is begun when one of them is. */
const callsOfRemoval = 40;
const collecting = Number.MAX_SAFE_INTEGER;
const batch = 25;

export async function runRemovalRace(options: RaceOptions): Promise<RaceReport> {
  const dice = makeDice(options.seed);
  const node = await startRaceNode(options.bin);
  const containers = await raceContainers(node.containerd.endpoint, node.containerd.folder);
  const outcomes = new Map<string, number>();
  const violations: string[] = [];
  const startedAt = performance.now();
  try {
    let spare: RaceImage[] = [];
    for (let index = 0; index < options.tries; index += 1) {
      if (spare.length === 0) spare = await node.load(Math.min(batch, options.tries - index));
      const image = spare.pop();
      if (image === undefined) throw new Error('no image was loaded');
      const seen = await tryOnce(node, containers, image, dice, options.without ?? []);
      outcomes.set(seen.outcome, (outcomes.get(seen.outcome) ?? 0) + 1);
      violations.push(...seen.wrong.map((what) => `try ${index}, ${seen.how}: ${what}`));
      if (seen.container !== undefined) await containers.remove(seen.container);
      // An image that stayed whole is good for another try.
      if (seen.stayed && seen.wrong.length === 0) spare.push(image);
      if ((index + 1) % 100 === 0) options.say?.(`${index + 1} tries, ${violations.length} violations`);
    }
    const msPerTry = (performance.now() - startedAt) / options.tries;
    return { version: node.containerd.version, tries: options.tries, outcomes, violations, msPerTry };
  } finally {
    containers.close();
    await node.remove();
  }
}

interface Try {
  readonly outcome: string;
  readonly how: string;
  readonly container: string | undefined;
  readonly stayed: boolean;
  readonly wrong: readonly string[];
}

async function tryOnce(
  node: RaceNode,
  containers: RaceContainers,
  image: RaceImage,
  dice: Dice,
  without: readonly Handicap[],
): Promise<Try> {
  const before = await node.namesOf(image);
  const calls = new Calls();
  const plan = toPlan(dice);
  const [begin = 0, ...steps] = plan.at;
  const until = async (call: number, step: number): Promise<void> => {
    await calls.reached(call);
    await wait(plan.jitterMs[step] ?? 0);
  };
  const made = until(begin, 0)
    .then(() =>
      plan.by === 'kubelet'
        ? containers.createByKubelet(image)
        : containers.createByClient(image, (step) => until(steps[step] ?? 0, step + 1)),
    )
    .catch(() => undefined);
  const removal = await removalOn(watched(node.client, calls, without))
    .remove(image.id, soon())
    .finally(() => calls.end());
  const container = await made;

  const names = await node.namesOf(image);
  const missing = await node.missingOf(image);
  if (removal.kind === 'in_use') await node.untilKnown(image);
  const wrong = judge({ removal, container, before, names, missing });
  for (const trace of await node.tracesOf(image)) wrong.push(`left behind: ${trace}`);
  const outcome = `${toOutcome(removal, container, calls)} (${plan.by})`;
  const how = `${plan.by} at ${plan.at.map((call) => (call === collecting ? 'collecting' : call)).join(' ')}`;
  return { outcome, how, container, stayed: removal.kind !== 'removed', wrong };
}

interface Plan {
  readonly by: 'kubelet' | 'client';
  /** The calls of the removal at which the container is begun, and at which a client goes on with each of its steps. */
  readonly at: readonly number[];
  readonly jitterMs: readonly number[];
}

/**
 * Anywhere; or, the narrowest place, a client that has found the image before its names went and prepares its layer when the
 * collector is called.
 */
function toPlan(dice: Dice): Plan {
  const near = (): number => dice.next() * (dice.chance(0.5) ? 2 : 12);
  const jitterMs = [near(), near(), near(), near()];
  if (dice.chance(0.5)) return { by: 'kubelet', at: [dice.below(callsOfRemoval)], jitterMs };
  if (dice.chance(0.5)) return { by: 'client', at: [0, 0, collecting, collecting], jitterMs };
  const at = [0, 1, 2, 3].map(() => dice.below(callsOfRemoval)).toSorted((a, b) => a - b);
  return { by: 'client', at, jitterMs };
}

interface Seen {
  readonly removal: Removal;
  readonly container: string | undefined;
  readonly before: readonly string[];
  readonly names: readonly string[];
  readonly missing: readonly string[];
}

function judge({ removal, container, before, names, missing }: Seen): string[] {
  const wrong: string[] = [];
  const lost = before.filter((name) => !names.includes(name));
  if (removal.kind === 'removed') {
    if (container !== undefined)
      wrong.push(`a container without its image, which was removed: missing ${missing.join(' ')}`);
    if (names.length > 0) wrong.push(`removed, and still there: ${names.join(' ')}`);
  } else {
    if (removal.kind === 'absent') wrong.push('absent');
    if (lost.length > 0) wrong.push(`${removal.kind}, and names are gone: ${lost.join(' ')}`);
    if (missing.length > 0) wrong.push(`${removal.kind}, and parts are gone: ${missing.join(' ')}`);
  }
  return wrong;
}

function toOutcome({ kind }: Removal, container: string | undefined, { deleted, collected }: Calls): string {
  if (kind === 'removed') return container === undefined ? 'removed, no container' : 'removed under a container';
  const when = collected ? 'kept by the collector' : deleted ? 'undone' : 'in use before';
  return container === undefined ? `${when}, no container` : when;
}

/** Counts the calls of a removal. */
class Calls {
  deleted = false;
  collected = false;
  #count = 0;
  #ended = false;
  readonly #waiting = new Map<() => void, number>();

  next(): void {
    this.#count += 1;
    this.#wake();
  }

  /** What is left, `collecting` among it, is reached. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async reached(count: number): Promise<void> {
    if (this.#ended || this.#count >= count) return;
    await new Promise<void>((resolve) => this.#waiting.set(resolve, count));
  }

  #wake(): void {
    for (const [resolve, count] of this.#waiting) {
      if (!this.#ended && this.#count < count) continue;
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}

/** What a look asks, and what it is told when it is blindfolded. */
const nothing = { containers: [], items: [] };

function watched(client: GrpcClient, calls: Calls, without: readonly Handicap[]): GrpcClient {
  const blind = (): boolean => without.includes('looks') && calls.deleted;
  return {
    ...client,
    async unary(method, request, signal, options) {
      calls.next();
      const name = `${method.service.slice(method.service.lastIndexOf('.') + 1)}.${method.name}`;
      if (name === 'Images.Delete') calls.deleted = true;
      if (name === 'Leases.Delete' && 'sync' in request && request.sync === true) {
        calls.collected = true;
        calls.end();
      }
      if (without.includes('tie') && name === 'Snapshots.Update') {
        throw new Failure('runtime', 'no labels here', { cause: { code: 12, details: 'no labels here' } });
      }
      if (blind() && (name === 'Containers.List' || name === 'RuntimeService.ListContainers')) return nothing as never;
      return await client.unary(method, request, signal, options);
    },
    async *stream(method, request, signal, options) {
      calls.next();
      if (blind() && method.service.endsWith('Snapshots')) return;
      yield* client.stream(method, request, signal, options);
    },
  };
}
