import { sleep } from '../core/sleep.ts';
import type { ImageFilesystem } from '../core/node-images.ts';

/** The filesystem frees in the background for a moment after a removal; it stands still when two looks show the same. */
const betweenLooksMs = 50;
const patienceMs = 2_000;

/**
 * What the filesystem has more free than before, in bytes, once it stands still; never below 0. Other writers are in it.
 * @param expectedBytes what should have come back by then: with that much there is nothing to wait for
 */
export async function measureGain(
  before: ImageFilesystem | undefined,
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  signal: AbortSignal,
  expectedBytes = Number.POSITIVE_INFINITY,
): Promise<number> {
  if (before === undefined) return 0;
  const giveUpAt = performance.now() + patienceMs;
  let last = await readFilesystem();
  const hasAll = (last?.availBytes ?? 0) - before.availBytes >= expectedBytes;
  while (!hasAll && performance.now() < giveUpAt && !signal.aborted) {
    await sleep(betweenLooksMs, signal);
    const now = await readFilesystem();
    if (now?.availBytes === last?.availBytes) break;
    last = now;
  }
  return Math.max(0, (last?.availBytes ?? before.availBytes) - before.availBytes);
}
