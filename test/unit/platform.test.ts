import { describe, expect, test } from 'vitest';
import {
  formatPlatform,
  type Platform,
  rankPlatform,
  toPlatform,
  toPlatformCandidates,
} from '../../agent/core/platform.ts';

const parse = (text: string): Platform => {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, variant };
};

describe('platforms', () => {
  test.each([
    ['linux', 'x64', 'linux/amd64'],
    ['linux', 'arm64', 'linux/arm64'],
    ['linux', 'arm', 'linux/arm/v7'],
    ['linux', 'ia32', 'linux/386'],
    ['linux', 's390x', 'linux/s390x'],
    ['win32', 'x64', 'windows/amd64'],
  ])("Node's %s %s is %s", (nodePlatform, architecture, expected) => {
    expect(formatPlatform(toPlatform(nodePlatform, architecture))).toBe(expected);
  });

  test.each([
    ['linux/x86_64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['Linux/AArch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
  ])('%s is written %s', (text, expected) => {
    expect(formatPlatform(parse(text))).toBe(expected);
  });

  test.each([
    ['linux/amd64', ['linux/amd64', 'linux/386']],
    ['linux/amd64/v3', ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386']],
    ['linux/arm64', ['linux/arm64', 'linux/arm/v8', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/arm/v7', ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']],
    ['linux/s390x', ['linux/s390x']],
  ])('on %s run, best first, %j', (node, expected) => {
    const offered = (
      'linux/arm/v5 linux/386 linux/amd64/v2 linux/arm/v7 linux/s390x linux/arm64/v8 windows/amd64 ' +
      'linux/arm/v6 linux/amd64 linux/amd64/v4 linux/arm/v8 unknown/unknown linux/amd64/v3'
    )
      .split(' ')
      .map((text) => ({ platform: parse(text) }));
    const chosen = toPlatformCandidates(parse(node), offered).map(({ platform }) => formatPlatform(platform));
    expect(chosen).toEqual(expected);
  });

  test('among equals the first comes first, those without a platform last', () => {
    const amd64 = parse('linux/amd64');
    const entries = [
      { name: 'a', platform: undefined },
      { name: 'b', platform: amd64 },
      { name: 'c', platform: parse('linux/x86-64') },
    ];
    expect(toPlatformCandidates(amd64, entries).map(({ name }) => name)).toEqual(['b', 'c', 'a']);
  });

  test("Windows needs its host's build", () => {
    const node = { os: 'windows', architecture: 'amd64', osVersion: '10.0.20348.2113' };
    expect(rankPlatform(node, { ...node, osVersion: '10.0.20348.1' })).toBe(0);
    expect(rankPlatform(node, { ...node, osVersion: '10.0.17763.1' })).toBeUndefined();
    expect(rankPlatform(node, { ...node, osVersion: undefined })).toBe(0);
  });
});
