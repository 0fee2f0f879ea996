import { expect, describe, test } from 'vitest';
import { parseSettings } from '../../bench/settings.ts';
import { sumRequests, toRequests, totalOf, toUpstreamFigures } from '../../bench/warm/upstream-figures.ts';

const digest = `sha256:${'1'.repeat(64)}`;

function request(method: string, path: string, at: number, bytes = 0, complete = true) {
  return { method, path: `/v2/${path}`, at, bytes, complete };
}

describe('what the upstream was asked', () => {
  const requests = [
    request('HEAD', 'team/cold/manifests/v1', 1),
    request('GET', 'team/cold/manifests/v1', 2, 300),
    request('GET', `team/cold/blobs/${digest}`, 3, 1_000),
    request('GET', `team/cold/blobs/${digest}`, 4, 200, false),
    request('GET', '', 5, 2),
    request('HEAD', 'team/cold/manifests/v1', 10),
  ];

  test('is counted by kind, without the looks whether it lives', () => {
    expect(toUpstreamFigures(requests, 1_000)).toEqual({
      heads: 2,
      manifests: 1,
      blobs: 2,
      completeBlobs: 1,
      bytes: 1_500,
      timesTheImage: 1.2,
    });
  });

  test('is told apart by when it began', () => {
    expect(toRequests(toUpstreamFigures(requests, 1_000, 10))).toBe(1);
    const before = toUpstreamFigures(requests, 1_000, undefined, 4);
    expect([toRequests(before), before.timesTheImage]).toEqual([3, 1]);
  });
});

test('requests of all clients are added up by kind', () => {
  const sums = sumRequests([{ token: 2, 'GET blob': 5 }, { token: 1 }]);
  expect(sums).toEqual({ token: 3, 'GET blob': 5 });
  expect(totalOf(sums)).toBe(8);
});

describe('the command line', () => {
  test('names the Harbor, the size of the image and the variants', () => {
    const args = ['warm', '--harbor', 'http://h:1', '--image-mib', '24', '--variant', 'abort', '--variant', 'manifest'];
    expect(parseSettings(args)).toMatchObject({
      benches: ['warm'],
      harborUrl: 'http://h:1',
      imageMib: 24,
      variants: ['abort', 'manifest'],
    });
    expect(parseSettings(['warm'])).toMatchObject({ imageMib: undefined, harborUrl: undefined, variants: undefined });
  });

  test('refuses a size that cannot be', () => {
    expect(() => parseSettings(['--image-mib', '0'])).toThrow('--image-mib must be a number above 0');
  });
});
