/** What the filesystem itself says of a removal: how much came back, and when. */

import { setTimeout as sleep } from 'node:timers/promises';
import { readImageFilesystem } from '../../agent/runtime/disk.ts';
import { readDisk } from '../harness/small-disk.ts';

const sampleEveryMs = 10;
/** containerd's collector comes by itself within a second of the last change. */
const steadyForMs = 1_500;
const steadyTimeoutMs = 30_000;
/** Somebody else may write a little meanwhile. */
const backShare = 0.99;
const noiseBytes = 64 * 1024;

interface Sample {
  readonly atMs: number;
  readonly availBytes: number;
}

export interface DiskWatch {
  /** Takes down what is free now. */
  returned(): Promise<void>;
  /** Waits until nothing changes any more. */
  finish(): Promise<DiskTruth>;
}

export interface DiskTruth {
  /** Free bytes after less before, all written data on the disk each time. */
  readonly bytes: number;
  /** From the start until all but a hundredth of them were free. */
  readonly backSeconds: number;
  /** Share of them that was free when the call returned. */
  readonly atReturn: number;
}

/** From now on; everything written before has reached the disk. Only on a filesystem that nobody else writes to. */
export async function watchDisk(path: string): Promise<DiskWatch> {
  const before = await readSteadyBytes(path);
  const stop = new AbortController();
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const take = async (): Promise<void> => {
    const { availBytes } = await readImageFilesystem(path);
    samples.push({ atMs: performance.now() - startedAt, availBytes });
  };
  const sampling = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await take();
      await sleep(sampleEveryMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  let atReturn: Sample | undefined;
  return {
    async returned() {
      await take();
      atReturn = samples.at(-1);
    },
    async finish() {
      const after = await readSteadyBytes(path);
      stop.abort();
      await sampling;
      const bytes = after - before;
      const back = samples.find(({ availBytes }) => availBytes - before >= backShare * bytes);
      return {
        bytes,
        backSeconds: (back?.atMs ?? Infinity) / 1000,
        atReturn: ((atReturn?.availBytes ?? before) - before) / bytes,
      };
    },
  };
}

/** @returns free bytes. @throws Error when they go on changing */
async function readSteadyBytes(path: string): Promise<number> {
  const giveUpAt = performance.now() + steadyTimeoutMs;
  let steady = { since: performance.now(), availBytes: (await readDisk(path)).availBytes };
  while (performance.now() - steady.since < steadyForMs) {
    if (performance.now() > giveUpAt) throw new Error(`the filesystem of ${path} does not come to rest`);
    await sleep(100);
    const { availBytes } = await readDisk(path);
    const moved = Math.abs(availBytes - steady.availBytes) > noiseBytes;
    steady = { since: moved ? performance.now() : steady.since, availBytes };
  }
  return steady.availBytes;
}
