import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { joinResolved, parseResolvedText, shardOf, toResolvedTexts } from '../../../agent/core/resolved-document.ts';
import { failureCodes, failureDetails } from '../../../agent/core/failure.ts';
import {
  exclusionReasons,
  type ResolvedImage,
  type ResolvedPattern,
  type Resolutions,
  warmStates,
} from '../../../agent/core/resolution.ts';
import {
  sampleChild,
  sampleDigest,
  samplePattern,
  sampleResolutions,
  sampleResolved,
} from '../../fakes/resolutions.ts';

vi.setConfig({ testTimeout: 30_000 });

const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const message = fc.string({ maxLength: 200 });
const failure = fc.oneof(
  fc.record({ code: fc.constantFrom(...failureCodes), message }),
  fc.record({ code: fc.constantFrom(...failureCodes), detail: fc.constantFrom(...failureDetails), message }),
);
const reference = fc
  .tuple(fc.stringMatching(/^[a-z0-9]{1,12}$/), fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/))
  .map(([repository, tag]) => `harbor.example/ml/${repository}:${tag}`);
const child = fc.record(
  {
    platform: fc.constantFrom('linux/amd64', 'linux/arm64', 'linux/arm/v7', 'windows/amd64'),
    digest,
    imageId: digest,
    sizeBytes: fc.nat(),
    warm: fc.constantFrom(...warmStates),
    refusal: failure,
  },
  { requiredKeys: ['platform', 'digest', 'imageId', 'sizeBytes', 'warm'] },
);
const image: fc.Arbitrary<ResolvedImage> = fc.record(
  {
    reference,
    digest: fc.option(digest, { nil: undefined }),
    isProxied: fc.boolean(),
    platforms: fc.array(child, { maxLength: 3 }),
    refusal: failure,
    failure,
  },
  { requiredKeys: ['reference', 'digest', 'isProxied', 'platforms'] },
);
const excluded = fc.record({ reference, reason: fc.constantFrom(...exclusionReasons), message });
const pattern: fc.Arbitrary<ResolvedPattern> = fc.record(
  {
    key: fc.stringMatching(/^[A-Za-z0-9_-]{22}$/),
    members: fc.uniqueArray(reference, { maxLength: 5 }).map((members) => members.toSorted()),
    excluded: fc.array(excluded, { maxLength: 3 }),
    excludedCount: fc.nat(),
    failure,
  },
  { requiredKeys: ['key', 'members', 'excluded', 'excludedCount'] },
);
const resolutions: fc.Arbitrary<Resolutions> = fc.record({
  images: fc.array(image, { maxLength: 20 }).map((all) => new Map(all.map((one) => [one.reference, one]))),
  patterns: fc.array(pattern, { maxLength: 5 }).map((all) => new Map(all.map((one) => [one.key, one]))),
});

const read = (texts: readonly string[]) => joinResolved(texts.map(parseResolvedText));

describe('what is published', () => {
  test('is read as it was written, and the order of records makes no difference', () => {
    fc.assert(
      fc.property(resolutions, (given) => {
        const { texts, omitted } = toResolvedTexts(given);
        expect(omitted).toEqual({ excluded: 0, records: 0 });
        expect(texts).toHaveLength(8);
        expect(read(texts)).toEqual({ ...given, dropped: 0 });
        const turned = {
          images: new Map([...given.images].toReversed()),
          patterns: new Map([...given.patterns].toReversed()),
        };
        expect(toResolvedTexts(turned).texts).toEqual(texts);
      }),
      { numRuns: 50 },
    );
  });

  test('changes in one ConfigMap when one record changes', () => {
    const images = Array.from({ length: 100 }, (_, index) => sampleResolved(`harbor.example/ml/a:${index}`));
    const before = toResolvedTexts(sampleResolutions(images)).texts;
    // They are spread: none is empty of a hundred.
    expect(before.every((text) => text.includes('reference'))).toBe(true);
    const changed = images.map((one, index) => (index === 7 ? { ...one, digest: sampleDigest('b') } : one));
    const after = toResolvedTexts(sampleResolutions(changed)).texts;
    const shard = shardOf('harbor.example/ml/a:7');
    expect(after.flatMap((text, index) => (text === before[index] ? [] : [index]))).toEqual([shard]);
  });

  test('is nothing where nobody has written anything yet', () => {
    for (const text of [undefined, '']) {
      expect(parseResolvedText(text)).toEqual({ images: new Map(), patterns: new Map(), dropped: 0 });
    }
  });
});

describe('what has no room', () => {
  const asked = samplePattern();
  const left = { reference: 'harbor.example/ml/z:1', reason: 'older', message: 'x'.repeat(500) } as const;
  const given = sampleResolutions(
    Array.from({ length: 40 }, (_, index) => sampleResolved(`harbor.example/ml/a:${index}`)),
    [[asked, { members: ['harbor.example/ml/a:1'], excluded: Array(20).fill(left), excludedCount: 20 }]],
  );

  test('is first the list of what is excluded, then whole records; texts stay within the limit', () => {
    const { texts, omitted } = toResolvedTexts(given, 4_000);
    expect(omitted).toEqual({ excluded: 1, records: 0 });
    const { patterns, images } = read(texts);
    expect([...patterns.values()]).toMatchObject([{ excluded: [], excludedCount: 20 }]);
    expect(images.size).toBe(40);
    const small = toResolvedTexts(given, 600);
    expect(small.omitted.records).toBeGreaterThan(0);
    for (const text of small.texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(600);
    expect(read(small.texts).images.size).toBe(40 - small.omitted.records);
  });
});

describe('what cannot be believed', () => {
  const good = sampleResolved('harbor.example/ml/a:1', { platforms: [sampleChild('linux/amd64', '1')] });
  const record = (more: object) => ({ ...good, ...more });
  const parse = (...records: unknown[]) => parseResolvedText(JSON.stringify({ version: '1.0', records }));

  test.each<[string, unknown]>([
    ['is no map', 7],
    ['has a reference that is none', record({ reference: 'X' })],
    ['has a reference in another spelling', record({ reference: 'index.docker.io/a' })],
    ['has a digest that is none', record({ digest: 'sha256:1' })],
    ['has a digest that leads elsewhere', record({ digest: `${sampleDigest('1')}/../other@x` })],
    ['has a child whose digest is none', record({ platforms: [sampleChild('linux/amd64', 'g')] })],
    ['has a size below zero', record({ platforms: [sampleChild('linux/amd64', '1', { sizeBytes: -1 })] })],
    ['has a failure of an unknown class', record({ failure: { code: 'magic', message: '' } })],
    ['has no platforms', record({ platforms: undefined })],
    ['is a pattern with a key that is none', { key: '../x', members: [], excluded: [], excludedCount: 0 }],
    ['is neither image nor pattern', {}],
  ])('is left out alone: a record that %s', (_, bad) => {
    const { images, dropped } = parse(bad, good);
    expect([...images.values()]).toEqual([good]);
    expect(dropped).toBe(1);
  });

  test('is left out of a pattern: a member with a digest or none at all', () => {
    const members = ['harbor.example/ml/a:1', `harbor.example/ml/a@${sampleDigest('1')}`, 'X', 3];
    const { patterns } = parse({ key: 'k', members, excluded: [{}, 'x'], excludedCount: 2 });
    expect(patterns.get('k')).toEqual({
      key: 'k',
      members: ['harbor.example/ml/a:1'],
      excluded: [],
      excludedCount: 2,
    });
  });

  test('is shortened: a message as long as the ConfigMap', () => {
    const { images } = parse(record({ refusal: { code: 'policy', message: 'x'.repeat(100_000), detail: 'new one' } }));
    const refusal = images.get(good.reference)?.refusal;
    expect(refusal?.message).toHaveLength(1_000);
    expect(refusal).not.toHaveProperty('detail');
  });

  test('is a message that gives orders to a terminal, or has more lines than one', () => {
    const message = 'a\u001B[2Jb\r\nc\u202Ed\u2028e\u009Bf';
    const { images } = parse(record({ refusal: { code: 'policy', message }, failure: { code: 'other', message } }));
    const words = 'a [2Jb c d e f';
    expect(images.get(good.reference)).toMatchObject({ refusal: { message: words }, failure: { message: words } });
    const left = [{ reference: 'x\u001By', reason: 'older', message }];
    const { patterns } = parse({ key: 'k', members: [], excluded: left, kept: left, excludedCount: 1 });
    const read = [{ reference: 'x y', reason: 'older', message: words }];
    expect(patterns.get('k')).toMatchObject({ excluded: read, kept: read });
  });

  test('is a text of another major version; a newer minor one is read', () => {
    const text = (version: string) => JSON.stringify({ version, records: [{ ...good, later: 1 }], more: true });
    expect(parseResolvedText(text('2.0'))).toMatchObject({ dropped: 1, images: new Map() });
    expect(parseResolvedText(text('1.7')).images.get(good.reference)).toEqual(good);
  });

  test('never throws, whatever the text', () => {
    const json = fc.json().map((inner) => `{"version":"1.0","records":[${inner}]}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), json), (text) => {
        const { images, patterns } = parseResolvedText(text);
        expect(images.size + patterns.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
