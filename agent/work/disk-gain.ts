import { sleep } from '../core/sleep.ts';
import type { ImageFilesystem } from '../core/node-images.ts';

/**
 * How often it is looked again, and how long between. ext4 shows the whole gain when the removal returns, xfs some 10 ms later; waiting
 * longer only lets other writers in. (btrfs shows much of it with its next commit, up to 30 s later.)
 */
const looks = 2;
const betweenLooksMs = 50;

/**
 * What the filesystem has more free than before, in bytes, at its best moment right after; never below 0. Other writers are in it.
 * @param expectedBytes what should have come back by then: with that much there is nothing to wait for
 */
export async function measureGain(
  before: ImageFilesystem | undefined,
  readFilesystem: () => Promise<ImageFilesystem | undefined>,
  signal: AbortSignal,
  expectedBytes = Number.POSITIVE_INFINITY,
): Promise<number> {
  if (before === undefined) return 0;
  const readGain = async (): Promise<number> => ((await readFilesystem()) ?? before).availBytes - before.availBytes;
  let gain = await readGain();
  for (let look = 0; look < looks && gain < expectedBytes && !signal.aborted; look += 1) {
    await sleep(betweenLooksMs, signal);
    gain = Math.max(gain, await readGain());
  }
  return Math.max(0, gain);
}
