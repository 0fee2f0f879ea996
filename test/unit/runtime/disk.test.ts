import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { availAtWatermark, filesFreeAtWatermark, type Watermark, wouldCross } from '../../../agent/core/watermark.ts';
import { readImageFilesystem } from '../../../agent/runtime/disk.ts';
import type { ImageFilesystem } from '../../../agent/runtime/runtime.ts';

function filesystem(sizeBytes: number, availBytes: number): ImageFilesystem {
  return { mountpoint: '/images', sizeBytes, availBytes, files: 1000, filesFree: 500 };
}

describe('readImageFilesystem', () => {
  it('gives the size, space and inodes that df prints for the same path', async () => {
    const output = execFileSync('df', ['-B1', '--output=size,itotal,iavail', '/'], { encoding: 'utf8' });
    const numbers = output.split('\n')[1]?.trim().split(/\s+/).map(Number);
    const [size, itotal, ifree] = numbers as [number, number, number];

    const seen = await readImageFilesystem('/');

    expect(seen.mountpoint).toBe('/');
    expect(seen.sizeBytes).toBe(size);
    expect(seen.files).toBe(itotal);
    expect(Math.abs(seen.filesFree - ifree)).toBeLessThan(itotal / 100 + 1000);
    expect(seen.availBytes).toBeGreaterThan(0);
    expect(seen.availBytes).toBeLessThanOrEqual(size);
  });

  it('rejects with the cause when the path is not there', async () => {
    await expect(readImageFilesystem('/no/such/place')).rejects.toThrow('ENOENT');
  });
});

const used75: Watermark = { kind: 'used', ratio: 0.75 };
const used90: Watermark = { kind: 'used', ratio: 0.9 };
const free200: Watermark = { kind: 'free', bytes: 200 };

describe('availAtWatermark', () => {
  it.each([
    ['a used share', filesystem(1000, 400), used75, 250],
    ['a used share that is no binary fraction', filesystem(1000, 100), used90, 100],
    ['free space', filesystem(1000, 150), free200, 200],
  ])('%s', (_, fs, mark, bytes) => {
    expect(availAtWatermark(fs, mark)).toBe(bytes);
  });
});

describe('filesFreeAtWatermark', () => {
  it.each([
    ['a used share counts for inodes too', { ...filesystem(1, 1), files: 2000 }, used75, 500],
    ['free space says nothing of them', { ...filesystem(1, 1), files: 2000 }, free200, 0],
    ['a filesystem that has no fixed number of them', { ...filesystem(1, 1), files: 0 }, used75, 0],
  ])('%s', (_, fs, mark, files) => {
    expect(filesFreeAtWatermark(fs, mark)).toBe(files);
  });
});

describe('wouldCross', () => {
  it.each([
    ['stays below', filesystem(1000, 400), used75, 100, false],
    ['lands exactly on the mark', filesystem(1000, 400), used75, 150, false],
    ['one byte over', filesystem(1000, 400), used75, 151, true],
    ['already above, nothing needed', filesystem(1000, 100), used75, 0, true],
    ['free space would fall short', filesystem(1000, 400), free200, 201, true],
    ['free space suffices', filesystem(1000, 400), free200, 200, false],
  ])('%s', (_, fs, mark, need, crosses) => {
    expect(wouldCross(fs, mark, need)).toBe(crosses);
  });
});
