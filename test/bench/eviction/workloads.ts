/** The mixes that the orders are compared on. No order was made for one of them: a rule that wins on one and loses on another shows. */

import {
  addBatch,
  addCronJobs,
  addExperiments,
  addNightlies,
  addOneOffs,
  addServices,
  type Stage,
} from './behaviours.ts';
import { makeBases } from './image-families.ts';
import { Random } from './random.ts';
import { dayMs, type Trace, TraceBuilder } from './trace.ts';

const daysPerTrace = 60;

const mixes = {
  /** Versions replace one another: the newest is what runs. */
  services: (stage: Stage) => addServices(stage, { count: 45, gpuShare: 0.15, releaseEveryMs: 5 * dayMs }),

  /** One version of each image, popularity shifting slowly. */
  batch: (stage: Stage) =>
    addBatch(stage, {
      images: 260,
      gpuShare: 0.3,
      startsPerDay: 90,
      zipfExponent: 0.95,
      drift: 0.02,
      channels: 1,
    }),

  /** Several versions of each repository live side by side (python:3.11, 3.12, 3.13), popularity shifting faster. */
  channels: (stage: Stage) =>
    addBatch(stage, {
      images: 240,
      gpuShare: 0.3,
      startsPerDay: 90,
      zipfExponent: 0.8,
      drift: 0.06,
      channels: 4,
      releaseEveryMs: 25 * dayMs,
    }),

  /** Tags that never replace one another, and stable images beside nightly ones: here a newer image says nothing. */
  tags: (stage: Stage) => {
    addBatch(stage, {
      images: 160,
      gpuShare: 0.3,
      startsPerDay: 60,
      zipfExponent: 0.8,
      drift: 0.02,
      channels: 4,
    });
    addNightlies(stage, 15, 0.3);
  },

  /** Researchers on a GPU node: big images, many versions, each for some days. */
  research: (stage: Stage) => {
    addExperiments(stage, 30, 0.8);
    addServices(stage, { count: 4, gpuShare: 0.8, releaseEveryMs: 14 * dayMs });
  },

  /** A steady set and as many starts of images that never come back. */
  builds: (stage: Stage) => {
    addOneOffs(stage, 25, 0.15);
    addBatch(stage, {
      images: 90,
      gpuShare: 0.25,
      startsPerDay: 40,
      zipfExponent: 0.8,
      drift: 0.01,
      channels: 1,
    });
  },

  /** Nothing but periods, from an hour to a month. */
  cron: (stage: Stage) => addCronJobs(stage, 140, 0.25),

  /** Some of all, and image sets that the agent prefetches. */
  mixed: (stage: Stage) => {
    addServices(stage, { count: 15, gpuShare: 0.15, releaseEveryMs: 5 * dayMs });
    addServices(stage, { count: 6, gpuShare: 0.5, releaseEveryMs: 8 * dayMs, desired: true });
    addBatch(stage, {
      images: 100,
      gpuShare: 0.25,
      startsPerDay: 30,
      zipfExponent: 0.9,
      drift: 0.03,
      channels: 2,
    });
    addExperiments(stage, 8, 0.7);
    addOneOffs(stage, 5, 0.2);
    addCronJobs(stage, 25, 0.2);
  },
} satisfies Record<string, (stage: Stage) => void>;

export type WorkloadName = keyof typeof mixes;
export const workloadNames = Object.keys(mixes).filter((name): name is WorkloadName => name in mixes);

export function makeTrace(workload: WorkloadName, seed: number, days = daysPerTrace): Trace {
  const builder = new TraceBuilder(days * dayMs);
  // Each workload has its own numbers, so that a change of one leaves the others as they were.
  const random = new Random(seed * 1000 + workloadNames.indexOf(workload));
  mixes[workload]({ builder, random, bases: makeBases(builder, random) });
  return builder.build(workload);
}
