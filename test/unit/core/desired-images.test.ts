import { describe, expect, test } from 'vitest';
import { toDesired } from '../../../agent/core/desired-images.ts';
import type { RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import type { ResolvedImage } from '../../../agent/core/resolution.ts';
import {
  sampleChild,
  sampleDigest,
  samplePattern,
  sampleResolutions,
  sampleResolved,
  sampleView,
} from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';

const a = 'harbor.example/ml/a:1';
const failure = { code: 'auth', detail: 'forbidden', message: 'the robot lacks artifact:list' } as const;

function one(published: ResolvedImage, more: Parameters<typeof sampleView>[1] = {}, image = published.reference) {
  return toDesired([sampleSet('s', [image])], {}, sampleView(sampleResolutions([published]), more)).images[0];
}

describe('what is published of an image', () => {
  test('is taken for the best platform that runs here', () => {
    const platforms = [sampleChild('linux/386', '1'), sampleChild('linux/amd64', '2'), sampleChild('linux/arm64', '3')];
    const published = sampleResolved(a, { platforms });
    expect(one(published)?.resolved).toMatchObject({ digest: sampleDigest('a'), child: platforms[1] });
    const arm = { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } };
    expect(one(published, arm)?.resolved?.child?.digest).toBe(sampleDigest('3'));
    const windows = { platform: { os: 'windows', architecture: 'amd64' } };
    expect(one(published, windows)?.resolved).toMatchObject({ digest: sampleDigest('a'), child: undefined });
  });

  test.each([
    ['amd64', undefined, ['linux/386'], undefined],
    ['arm64', 'v8', ['linux/arm/v7', 'linux/arm/v8'], undefined],
    ['arm64', undefined, ['linux/arm/v7', 'linux/arm64'], 'linux/arm64'],
    ['amd64', 'v3', ['linux/386', 'linux/amd64', 'linux/amd64/v2'], 'linux/amd64/v2'],
    ['arm', 'v7', ['linux/arm/v6'], 'linux/arm/v6'],
  ])('is not what another architecture was given: %s %s of %j', (architecture, variant, names, chosen) => {
    const platforms = names.map((name, index) => sampleChild(name, `${index}`));
    const view = { platform: { os: 'linux', architecture, variant } };
    expect(one(sampleResolved(a, { platforms }), view)?.resolved?.child?.platform).toBe(chosen);
  });

  test('refuses it as a whole or for this platform alone', () => {
    const refusal = { code: 'policy', detail: 'policy_blocked', message: 'severity is too high' } as const;
    const platforms = [sampleChild('linux/amd64', '2', { refusal }), sampleChild('linux/arm64', '3')];
    expect(one(sampleResolved(a, { platforms }))?.resolved?.refusal).toEqual(refusal);
    const arm = { platform: { os: 'linux', architecture: 'arm64' } };
    expect(one(sampleResolved(a, { platforms }), arm)?.resolved?.refusal).toBeUndefined();
    expect(one(sampleResolved(a, { refusal, platforms: [] }))?.resolved?.refusal).toEqual(refusal);
  });

  test('adds no image that no set asks for', () => {
    const view = sampleView(sampleResolutions([sampleResolved('harbor.example/evil/miner:1')]));
    expect(toDesired([sampleSet('s', [a])], {}, view).images.map(({ reference }) => reference)).toEqual([a]);
    expect(toDesired([sampleSet('s', [a])], {}, view).images[0]?.resolved).toBeUndefined();
  });
});

describe('what the runtime pulls', () => {
  const platforms = [sampleChild('linux/amd64', '2')];
  const proxied = sampleResolved(a, { isProxied: true, platforms });

  test('is the child by digest behind a proxy cache, and the reference itself everywhere else', () => {
    expect(one(proxied)?.pullReference).toBe(`harbor.example/ml/a@${sampleDigest('2')}`);
    expect(one(proxied, { pullsChildren: false })?.pullReference).toBe(a);
    expect(one({ ...proxied, isProxied: false })?.pullReference).toBe(a);
    expect(one({ ...proxied, platforms: [] })?.pullReference).toBe(a);
    expect(toDesired([sampleSet('s', [a])], {}).images[0]?.pullReference).toBe(a);
  });

  describe('of a pattern with rules on content, in an ordinary project,', () => {
    const published = sampleResolved(a, { platforms });
    const byDigest = `harbor.example/ml/a@${sampleDigest('a')}`;
    const signed = samplePattern({ signed: 'any' });
    const asked = (images: readonly ResolvedImage[], patterns: readonly RepositoryPattern[], pullsChildren = true) => {
      const members = patterns.map((one) => [one, { members: [a] }] as const);
      return sampleView(sampleResolutions(images, members), { pullsChildren });
    };
    const member = (image: ResolvedImage | undefined, rule: RepositoryPattern = signed, pullsChildren = true) => {
      const view = asked(image === undefined ? [] : [image], [rule], pullsChildren);
      return toDesired([sampleSet('s', [], { patterns: [rule] })], {}, view).images[0];
    };

    test.each([
      ['signed', signed],
      ['signedBy', samplePattern({ signedBy: ['a key'] })],
      ['maxSeverity', samplePattern({ maxSeverity: 'high' })],
    ])('is the digest that has passed: %s', (_, rule) => {
      expect(member(published, rule)?.pullReference).toBe(byDigest);
    });

    test('is the child behind a proxy cache, and the tag where the runtime cannot name it, or nothing was checked', () => {
      expect(member(proxied)?.pullReference).toBe(`harbor.example/ml/a@${sampleDigest('2')}`);
      expect(member(published, signed, false)?.pullReference).toBe(a);
      expect(member(published, samplePattern())?.pullReference).toBe(a);
    });

    test.each([
      ['nothing is known', undefined],
      ['it was never found', { ...published, digest: undefined, platforms: [] }],
      ['its child is not known', { ...proxied, platforms: [] }],
    ])('is nothing as long as %s', (_, image) => {
      expect(member(image)?.awaitsDigest).toBe(true);
      expect(member(image, samplePattern())?.awaitsDigest).toBeUndefined();
      expect(member(image, signed, false)?.awaitsDigest).toBeUndefined();
    });

    test('is the digest too where another set names the tag, which alone may be pulled unchecked', () => {
      const sets = [sampleSet('s', [], { patterns: [signed] }), sampleSet('t', [a])];
      expect(toDesired(sets, {}, asked([published], [signed])).images[0]).toMatchObject({ pullReference: byDigest });
      const unknown = toDesired(sets, {}, asked([], [signed])).images[0];
      expect(unknown).toMatchObject({ pullReference: a });
      expect(unknown).not.toHaveProperty('awaitsDigest');
      const both = { patterns: [signed, samplePattern()] };
      const [image] = toDesired([sampleSet('s', [], both)], {}, asked([], both.patterns)).images;
      expect(image).not.toHaveProperty('awaitsDigest');
    });
  });

  test('is the digest that the user wrote, whatever is published', () => {
    const reference = `harbor.example/ml/a@${sampleDigest('9')}`;
    expect(one({ ...proxied, reference })?.pullReference).toBe(reference);
  });

  test('is the reference where its host is no Harbor, whatever is published', () => {
    const reference = 'docker.io/library/busybox:1';
    expect(one({ ...proxied, reference })).toMatchObject({ pullReference: reference, resolved: { isProxied: false } });
  });
});

describe('the members of a pattern', () => {
  const pattern = samplePattern();
  const member = (name: string) => `harbor.example/ml/${name}`;
  const withMembers = (members: readonly string[], asked = pattern) =>
    toDesired(
      [sampleSet('s', [], { patterns: [asked], refreshEveryMs: 60_000 })],
      {},
      sampleView(sampleResolutions([], [[asked, { members }]])),
    );

  test('are desired like images, and asked after again whatever the pull policy', () => {
    const { images, references, unresolved } = withMembers([member('x:1'), member('deep/y:2')]);
    expect(images.map(({ reference, imageSets, refreshEveryMs }) => [reference, imageSets, refreshEveryMs])).toEqual([
      [member('x:1'), ['s'], 60_000],
      [member('deep/y:2'), ['s'], 60_000],
    ]);
    expect(references.get('s')).toEqual([member('x:1'), member('deep/y:2')]);
    expect(unresolved).toEqual([]);
  });

  test.each([
    ['of another host', 'other.example/ml/x:1'],
    ['of another project', 'harbor.example/secret/x:1'],
    ['with a digest', `harbor.example/ml/x@${sampleDigest('1')}`],
    ['that is no reference', 'harbor.example/ml/X:1'],
    ['whose tag the pattern does not take', member('x:nightly')],
  ])('are not believed: one %s', (_, reference) => {
    const asked = samplePattern({ tags: { ...pattern.tags, match: '[0-9]*', regex: '[0-9]+', semver: '>=1' } });
    const rule = { ...asked, tags: { ...asked.tags, match: undefined } };
    expect(withMembers([reference, member('x:1')], rule).images.map((image) => image.reference)).toEqual([
      member('x:1'),
    ]);
  });

  test('are no more of each repository than the pattern asks for, and 200 in all', () => {
    const newest = samplePattern({ tags: { ...pattern.tags, newest: 2 } });
    const many = ['x:1', 'x:2', 'x:3', 'y:1'].map(member);
    expect(withMembers(many, newest).images.map(({ reference }) => reference)).toEqual(
      ['x:2', 'x:3', 'y:1'].map(member),
    );
    expect(withMembers(Array.from({ length: 300 }, (_, index) => member(`x:${index}`))).images).toHaveLength(200);
  });

  test('are one image with what other sets ask for', () => {
    const view = sampleView(sampleResolutions([], [[pattern, { members: [a, member('b:1')] }]]));
    const other = sampleSet('t', [a], { priority: 9, refreshEveryMs: 10_000 });
    const { images, references } = toDesired([sampleSet('s', [a], { patterns: [pattern] }), other], {}, view);
    expect(images.map(({ reference, imageSets, priority }) => [reference, imageSets, priority])).toEqual([
      [a, ['s', 't'], 9],
      [member('b:1'), ['s'], 0],
    ]);
    // What is named as well is a member all the same; the other set's interval asks after nothing.
    expect(images.map(({ refreshEveryMs }) => refreshEveryMs)).toEqual([1_800_000, 1_800_000]);
    expect(references.get('s')).toEqual([a, member('b:1')]);
  });

  test('are not known before somebody has resolved the pattern, or while that only failed', () => {
    const set = sampleSet('s', [], { patterns: [pattern] });
    const unresolved = { imageSet: 's', pattern, failure: undefined };
    expect(toDesired([set], {}).unresolved).toEqual([unresolved]);
    expect(toDesired([set], {}, sampleView(sampleResolutions([]))).unresolved).toEqual([unresolved]);
    const failed = sampleView(sampleResolutions([], [[pattern, { failure }]]));
    expect(toDesired([set], {}, failed).unresolved).toEqual([{ ...unresolved, failure }]);
    const kept = sampleView(sampleResolutions([], [[pattern, { members: [a], failure }]]));
    expect(toDesired([set], {}, kept)).toMatchObject({ unresolved: [], images: [{ reference: a }] });
    const none = sampleView(sampleResolutions([], [[pattern, {}]]));
    expect(toDesired([set], {}, none)).toMatchObject({ unresolved: [], images: [] });
  });

  test('of a set that does not select the node are nothing to it', () => {
    const nodeSelector = { matchLabels: { gpu: 'true' }, matchExpressions: [] };
    const set = sampleSet('s', [], { patterns: [pattern], nodeSelector });
    const view = sampleView(sampleResolutions([], [[pattern, { members: [a] }]]));
    expect(toDesired([set], {}, view)).toMatchObject({ images: [], unresolved: [], unselected: [{ imageSet: 's' }] });
  });
});

test('who coordinates resolves images of a Harbor, and tags that are asked after', () => {
  const view = sampleView(sampleResolutions([]));
  const isResolvable = (image: string, more: Parameters<typeof sampleSet>[2] = {}) =>
    toDesired([sampleSet('s', [image], more)], {}, view).images[0]?.isResolvable;
  const digest = `@${sampleDigest('1')}`;
  expect(isResolvable(a)).toBe(true);
  expect(isResolvable(`harbor.example/ml/a${digest}`)).toBe(true);
  expect(isResolvable('other.example/a:1')).toBe(false);
  expect(isResolvable('other.example/a:1', { pullPolicy: 'Always' })).toBe(true);
  expect(isResolvable(`other.example/a${digest}`, { pullPolicy: 'Always' })).toBe(false);
  expect(toDesired([sampleSet('s', [a])], {}).images[0]?.isResolvable).toBe(false);
});
