/** Who starts pods on a node, one function for each kind; workloads.ts mixes them. */

import { type Bases, Family, type FamilyShape } from './image-families.ts';
import { type Random, Zipf } from './random.ts';
import { dayMs, hourMs, minuteMs, type TraceBuilder } from './trace.ts';

const megabyte = 1e6;
const gigabyte = 1e9;

export interface Stage {
  readonly builder: TraceBuilder;
  readonly random: Random;
  readonly bases: Bases;
}

function plainShape({ random, bases }: Stage, desired = false): FamilyShape {
  const base = random.pick(bases.plain);
  return { base, dependencyBytes: 400 * megabyte, codeBytes: 60 * megabyte, dependencyChange: 0.3, desired };
}

function gpuShape({ random, bases }: Stage, desired = false): FamilyShape {
  const base = random.pick(bases.gpu);
  return { base, dependencyBytes: 2.2 * gigabyte, codeBytes: 150 * megabyte, dependencyChange: 0.3, desired };
}

function makeFamily(stage: Stage, gpuShare: number, desired = false, repository?: number): Family {
  const shape = stage.random.chance(gpuShare) ? gpuShape(stage, desired) : plainShape(stage, desired);
  return new Family(stage.builder, stage.random, shape, repository);
}

/** Minutes for most jobs, hours for some, days for a few. */
function jobDuration(random: Random): number {
  return Math.min(4 * dayMs, random.logNormal(20 * minuteMs, 1.5));
}

export interface ServiceMix {
  readonly count: number;
  readonly gpuShare: number;
  /** Median time between two releases of one service. */
  readonly releaseEveryMs: number;
  /** The newest version is prefetched and held on the node. */
  readonly desired?: boolean;
}

/** Long-running pods that come and go on the node and always run the newest version, but for an odd rollback. */
export function addServices(stage: Stage, { count, gpuShare, releaseEveryMs, desired = false }: ServiceMix): void {
  const { builder, random } = stage;
  for (let service = 0; service < count; service += 1) {
    const family = makeFamily(stage, gpuShare, desired);
    const everyMs = random.logNormal(releaseEveryMs, 0.8);
    const versions = [{ at: 0, image: family.publish(0) }];
    for (let at = random.exponential(everyMs); at < builder.endAt; at += random.exponential(everyMs)) {
      versions.push({ at, image: family.publish(at) });
    }
    if (desired) for (const { at, image } of versions) builder.start(at, image, 0);
    let at = random.exponential(2 * dayMs);
    while (at < builder.endAt) {
      const leavesAt = at + random.exponential(2 * dayMs);
      while (at < leavesAt) at = runUntilChange(stage, versions, at, leavesAt);
      at = leavesAt + random.exponential(1.5 * dayMs);
    }
  }
}

interface Version {
  readonly at: number;
  readonly image: number;
}

function runUntilChange({ builder, random }: Stage, versions: readonly Version[], at: number, leavesAt: number) {
  const current = versions.findLastIndex((version) => version.at <= at);
  const version = versions[current];
  if (version === undefined) return leavesAt;
  const older = versions[current - 1];
  if (older !== undefined && random.chance(0.06)) {
    const until = Math.min(leavesAt, at + random.exponential(12 * hourMs));
    builder.start(at, older.image, until - at);
    return until;
  }
  const rollout = (versions[current + 1]?.at ?? Number.POSITIVE_INFINITY) + random.exponential(hourMs);
  const until = Math.min(leavesAt, rollout);
  // In a rolling update the old pod ends when the new one runs.
  const overlapMs = until < leavesAt ? random.exponential(5 * minuteMs) : 0;
  builder.start(at, version.image, until + overlapMs - at);
  return until;
}

export interface BatchMix {
  readonly images: number;
  readonly gpuShare: number;
  readonly startsPerDay: number;
  readonly zipfExponent: number;
  /** Share of the images that change places in popularity each day. */
  readonly drift: number;
  /** Versions of one repository that live side by side; 1: one version of each. */
  readonly channels: number;
  /** Mean time after which a channel gets a new version that replaces its last; undefined: never. */
  readonly releaseEveryMs?: number;
}

/** Jobs whose popularity falls as Zipf's law says and shifts from day to day; by night there are few. */
export function addBatch(stage: Stage, mix: BatchMix): void {
  const { builder, random } = stage;
  const { images: count, gpuShare, startsPerDay, zipfExponent, drift, channels, releaseEveryMs } = mix;
  const families: Family[] = [];
  while (families.length < count) {
    const repository = builder.addRepository();
    for (let channel = 0; channel < channels; channel += 1)
      families.push(makeFamily(stage, gpuShare, false, repository));
  }
  const order = random
    .shuffle(families)
    .map((family) => ({ family, image: family.publish(-random.next() * 60 * dayMs) }));
  const zipf = new Zipf(order.length, zipfExponent);
  for (let day = 0; day * dayMs < builder.endAt; day += 1) {
    for (let swap = 0; swap < (order.length * drift) / 2; swap += 1) {
      swapPlaces(order, random.below(order.length), random.below(order.length));
    }
    for (const place of order) {
      const isReleased = releaseEveryMs !== undefined && random.chance(dayMs / releaseEveryMs);
      if (isReleased) place.image = place.family.publish(day * dayMs);
    }
    const starts = Math.round(startsPerDay * (day % 7 >= 5 ? 0.4 : 1) * random.between(0.8, 1.2));
    for (let start = 0; start < starts; start += 1) {
      const hour = random.chance(0.8) ? random.between(8, 20) : random.between(0, 24);
      const image = order[zipf.pick(random)]?.image;
      if (image !== undefined) builder.start(day * dayMs + hour * hourMs, image, jobDuration(random));
    }
  }
}

function swapPlaces<Item>(order: Item[], one: number, other: number): void {
  const [first, second] = [order[one], order[other]];
  if (first !== undefined && second !== undefined) [order[one], order[other]] = [second, first];
}

/** People who build a line of versions over some days, run each a few times, pause, and come back; some old versions are run again. */
export function addExperiments(stage: Stage, people: number, gpuShare: number): void {
  const { builder, random } = stage;
  for (let person = 0; person < people; person += 1) {
    const family = makeFamily(stage, gpuShare);
    const built: number[] = [];
    let at = random.exponential(8 * dayMs);
    while (at < builder.endAt) {
      const pausesAt = at + random.exponential(4 * dayMs);
      while (at < pausesAt) {
        built.push(family.publish(at));
        const runs = 1 + random.below(5);
        for (let run = 0; run < runs; run += 1) {
          const again = random.chance(0.08);
          const image = again ? random.pick(built) : built.at(-1);
          if (image !== undefined) builder.start(at, image, jobDuration(random));
          at += random.exponential(3 * hourMs);
        }
      }
      at = pausesAt + random.exponential(10 * dayMs);
    }
  }
}

/**
 * Images that one job uses, perhaps twice, and nobody ever again: builds of merge requests, which share a dozen repositories, and as many
 * that somebody tries, each of a repository of its own.
 */
export function addOneOffs(stage: Stage, perDay: number, gpuShare: number): void {
  const { builder, random } = stage;
  const families = Array.from({ length: 12 }, () => makeFamily(stage, gpuShare));
  for (let at = 0; at < builder.endAt; at += random.exponential(dayMs / perDay)) {
    const family = random.chance(0.5) ? random.pick(families) : makeFamily(stage, gpuShare);
    const image = family.publish(at);
    builder.start(at, image, jobDuration(random));
    if (random.chance(0.3)) builder.start(at + random.exponential(hourMs), image, jobDuration(random));
  }
}

/** Repositories with a stable image that is used every few days, and a nightly one that is new each day and tried on some. */
export function addNightlies(stage: Stage, repositories: number, gpuShare: number): void {
  const { builder, random } = stage;
  for (let count = 0; count < repositories; count += 1) {
    const family = makeFamily(stage, gpuShare);
    const stable = family.publish(-dayMs);
    const everyMs = random.logNormal(3 * dayMs, 0.7);
    for (let at = random.exponential(everyMs); at < builder.endAt; at += random.exponential(everyMs)) {
      builder.start(at, stable, jobDuration(random));
    }
    for (let at = dayMs * random.next(); at < builder.endAt; at += dayMs) {
      const nightly = family.publish(at);
      if (random.chance(0.4)) builder.start(at + random.exponential(4 * hourMs), nightly, jobDuration(random));
    }
  }
}

/** Cron jobs: each at its own period, from some hours to a month; a new version now and then. */
export function addCronJobs(stage: Stage, count: number, gpuShare: number): void {
  const { builder, random } = stage;
  const periodsInDays = [0.25, 1, 1, 1, 2, 7, 7, 7, 14, 30];
  for (let job = 0; job < count; job += 1) {
    const family = makeFamily(stage, gpuShare);
    const periodMs = random.pick(periodsInDays) * dayMs;
    let image = family.publish(0);
    let nextVersionAt = random.exponential(45 * dayMs);
    for (let at = random.next() * periodMs; at < builder.endAt; at += periodMs) {
      if (at >= nextVersionAt) {
        image = family.publish(at);
        nextVersionAt = at + random.exponential(45 * dayMs);
      }
      // The scheduler puts it on this node only some of the time.
      if (random.chance(0.6)) builder.start(at + random.exponential(minuteMs), image, jobDuration(random) / 2);
    }
  }
}
