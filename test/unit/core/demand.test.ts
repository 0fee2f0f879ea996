import { describe, expect, test } from 'vitest';
import type { Configuration, ImageSet } from '../../../agent/core/configuration.ts';
import { toDemand } from '../../../agent/core/demand.ts';
import { patternKey } from '../../../agent/core/repository-pattern.ts';
import { defaultCoordinator } from '../../fakes/default-coordinator.ts';
import { sampleDigest, samplePattern } from '../../fakes/resolutions.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

const hour = 3_600_000;
const own = { os: 'linux', architecture: 'amd64' };
const harbor = (name: string) => `harbor.example/${name}`;
const pattern = samplePattern();

function configurationOf(imageSets: readonly ImageSet[], more: Partial<Configuration> = {}): Configuration {
  const registry = { plainHTTP: false, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
  const registries = [
    { host: 'harbor.example', harbor: true, ...registry },
    { host: 'other.example', harbor: false, ...registry },
  ];
  const coordinator = { ...defaultCoordinator, intervalMs: hour };
  return { ...sampleConfiguration(imageSets), registries, coordinator, ...more };
}

const node = (architecture: string, more: Record<string, string> = {}) => ({
  labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': architecture, ...more },
});
const always = { pullPolicy: 'Always', refreshEveryMs: 60_000 } as const;

describe('what is resolved', () => {
  test('is every image of a Harbor, and of others the tags that are asked after', () => {
    const digest = sampleDigest('1');
    const sets = [
      sampleSet('s', [harbor('ml/a:1'), harbor(`ml/a@${digest}`), 'other.example/b:1'], { patterns: [pattern] }),
      sampleSet('t', ['other.example/c:1', `other.example/c@${digest}`], always),
    ];
    const { images, patterns } = toDemand(configurationOf(sets), [], own);
    expect(images.map(({ reference }) => reference)).toEqual([
      harbor('ml/a:1'),
      harbor(`ml/a@${digest}`),
      'other.example/c:1',
    ]);
    expect(patterns).toMatchObject([{ key: patternKey(pattern), pattern }]);
  });

  test('is not what prefetch.allow keeps every node from pulling', () => {
    const configuration = configurationOf([sampleSet('s', [harbor('ml/a:1'), harbor('ops/b:1')])]);
    const prefetch = { ...configuration.prefetch, allow: ['harbor.example/ml/*'] };
    const { images } = toDemand({ ...configuration, prefetch }, [], own);
    expect(images.map(({ reference }) => reference)).toEqual([harbor('ml/a:1')]);
    // Without it the hosts in registries.
    const elsewhere = sampleSet('s', ['unlisted.example/a:1'], always);
    expect(toDemand(configurationOf([elsewhere]), [], own).images).toEqual([]);
  });

  test('is no pattern of a host that is no Harbor', () => {
    const foreign = samplePattern({ registry: 'other.example' });
    expect(toDemand(configurationOf([sampleSet('s', [], { patterns: [foreign] })]), [], own).patterns).toEqual([]);
  });
});

describe('platforms', () => {
  const gpu = sampleSet('gpu', [harbor('ml/a:1')], {
    patterns: [pattern],
    nodeSelector: { matchLabels: { gpu: 'true' }, matchExpressions: [] },
  });

  test('are those of the nodes that a set selects, put together over its sets', () => {
    const nodes = [node('amd64'), node('arm64', { gpu: 'true' }), node('arm64', { gpu: 'true' })];
    const all = sampleSet('all', [harbor('ml/b:1')]);
    const { images, patterns } = toDemand(configurationOf([gpu, all]), nodes, own);
    expect(images.map(({ platforms }) => platforms)).toEqual([['linux/arm64'], ['linux/amd64', 'linux/arm64']]);
    expect(patterns[0]?.platforms).toEqual(['linux/arm64']);
    const both = sampleSet('both', [harbor('ml/a:1')]);
    expect(toDemand(configurationOf([gpu, both]), nodes, own).images[0]?.platforms).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
  });

  test('are those of all nodes where a set selects none: one that joins may be its own', () => {
    const nodes = [node('amd64'), node('arm64')];
    expect(toDemand(configurationOf([gpu]), nodes, own).images[0]?.platforms).toEqual(['linux/amd64', 'linux/arm64']);
  });

  test('are the own one where there is no node, or none that says', () => {
    expect(toDemand(configurationOf([gpu]), [], own).images[0]?.platforms).toEqual(['linux/amd64']);
    expect(toDemand(configurationOf([gpu]), [{ labels: {} }], own).images[0]?.platforms).toEqual(['linux/amd64']);
    const windows = { labels: { 'kubernetes.io/os': 'windows', 'kubernetes.io/arch': 'amd64' } };
    expect(toDemand(configurationOf([gpu]), [windows], own).images[0]?.platforms).toEqual(['windows/amd64']);
  });
});

test('an image is looked at once per interval, or as often as the most impatient of its sets asks', () => {
  const a = harbor('ml/a:1');
  const everyMs = (...sets: ImageSet[]) => toDemand(configurationOf(sets), [], own).images[0]?.everyMs;
  expect(everyMs(sampleSet('s', [a], { refreshEveryMs: 60_000 }))).toBe(hour);
  expect(everyMs(sampleSet('s', [a]), sampleSet('t', [a], always))).toBe(60_000);
  expect(everyMs(sampleSet('s', [a], { pullPolicy: 'Always', refreshEveryMs: 9 * hour }))).toBe(hour);
});

test('it is asked for with the credentials of all its sets, each once', () => {
  const [one, other] = ['/one', '/other'].map((file) => ({ kind: 'dockerconfig', file }) as const);
  if (one === undefined || other === undefined) throw new Error('unreachable');
  const sets = [
    sampleSet('s', [harbor('ml/a:1')], { credentials: [one], patterns: [pattern] }),
    sampleSet('t', [harbor('ml/a:1')], { credentials: [other, { ...one }], patterns: [pattern] }),
  ];
  const { images, patterns } = toDemand(configurationOf(sets), [], own);
  expect(images[0]?.credentials).toEqual([one, other]);
  expect(patterns).toHaveLength(1);
  expect(patterns[0]?.credentials).toEqual([one, other]);
});
