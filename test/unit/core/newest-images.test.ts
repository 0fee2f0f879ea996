import { describe, expect, test } from 'vitest';
import { findNewest } from '../../../agent/core/newest-images.ts';
import type { RuntimeImage } from '../../../agent/core/node-images.ts';

const year = (number: number): number => Date.UTC(number, 0);

interface Spec {
  readonly names: readonly string[];
  readonly builtAt?: number | undefined;
}

/** Ids of the newest `count`, each image named by a letter. */
function newest(count: number, specs: Readonly<Record<string, Spec>>): string[] {
  const entries = Object.entries(specs);
  const images = entries.map(
    ([id, { names }]): RuntimeImage => ({
      id,
      tags: names.filter((name) => !name.includes('@')),
      digests: names.filter((name) => name.includes('@')),
      sizeBytes: 1,
      pinnedNames: [],
      pinnedByOthers: false,
      whole: true,
    }),
  );
  const details = new Map(entries.map(([id, { builtAt }]) => [id, { builtAt, labels: {} }]));
  const found = [...findNewest(images, details, count)].toSorted();
  expect([...findNewest(images.toReversed(), details, count)].toSorted()).toEqual(found);
  return found;
}

const app = (tag: string, builtAt?: number): Spec => ({ names: [`reg.example/app:${tag}`], builtAt });

describe('build times', () => {
  test('decide before versions', () => {
    const specs = { a: app('9.0.0', year(2024)), b: app('1.0.0', year(2026)), c: app('2.0.0', year(2025)) };
    expect(newest(1, specs)).toEqual(['b']);
    expect(newest(2, specs)).toEqual(['b', 'c']);
    expect(newest(9, specs)).toEqual(['a', 'b', 'c']);
    expect(newest(0, specs)).toEqual([]);
  });

  test('that nobody knows are older than any', () => {
    expect(newest(1, { a: app('9.0.0'), b: app('1.0.0', year(2001)) })).toEqual(['b']);
  });
});

describe('versions', () => {
  test.each([undefined, 0, year(1980), Date.parse('0001-01-01T00:00:00Z')])(
    'decide where all were built at the same time: %s',
    (builtAt) => {
      const specs = { a: app('1.9.0', builtAt), b: app('1.10.0', builtAt), c: app('1.10.0-rc.1', builtAt) };
      expect(newest(1, specs)).toEqual(['b']);
      expect(newest(2, specs)).toEqual(['b', 'c']);
    },
  );

  test('decide between an image that says no build time and one that says the year 1', () => {
    const never = Date.parse('0001-01-01T00:00:00Z');
    expect(newest(1, { a: app('2.0.0', never), b: app('1.0.0') })).toEqual(['a']);
  });

  test('may be loosely written; a tag without one is older', () => {
    const specs = { a: app('v2.9-cuda13'), b: app('v2.10-cuda12'), c: app('latest'), d: app('build-77') };
    expect(newest(1, specs)).toEqual(['b']);
    expect(newest(2, specs)).toEqual(['a', 'b']);
  });

  test('are the highest of an image that has several tags', () => {
    const twice = { names: ['reg.example/app:1.0', 'reg.example/app:latest', 'reg.example/app:3.0'] };
    expect(newest(1, { a: app('2.0'), b: twice })).toEqual(['b']);
    // Its second tag takes no second place.
    expect(newest(2, { a: app('2.0'), b: twice, c: app('1.5') })).toEqual(['a', 'b']);
  });
});

describe('repositories', () => {
  test('are told apart, by host, path and name, and each keeps its own newest', () => {
    const specs = {
      a: app('1', year(2024)),
      b: app('2', year(2025)),
      c: { names: ['other.example/app:1'], builtAt: year(2020) },
      d: { names: ['reg.example:5000/app:1'], builtAt: year(2020) },
    };
    expect(newest(1, specs)).toEqual(['b', 'c', 'd']);
  });

  test('of one image count in each: kept is what is newest in any', () => {
    const specs = {
      a: { names: ['reg.example/app:1', 'reg.example/copy:1'], builtAt: year(2024) },
      b: app('2', year(2025)),
    };
    expect(newest(1, specs)).toEqual(['a', 'b']);
  });

  test('count digests as well as tags; an image without any name is in none', () => {
    const digest = `reg.example/app@sha256:${'1'.repeat(64)}`;
    const specs = { a: app('1', year(2024)), b: { names: [digest], builtAt: year(2025) }, c: { names: [] } };
    expect(newest(1, specs)).toEqual(['b']);
  });

  test('of names that are no references are passed over', () => {
    expect(newest(1, { a: { names: ['Not A Reference', 'reg.example/app:1'] }, b: { names: ['???'] } })).toEqual(['a']);
  });
});
