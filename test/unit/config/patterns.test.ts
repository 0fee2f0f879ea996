import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import { samplePattern } from '../../fakes/resolutions.ts';
import { accepted, lines, refused } from './texts.ts';

const registries = 'registries: [{ host: harbor.example, harbor: true }, { host: plain.example }]';
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
const quoted = JSON.stringify(publicKey);

/** A configuration with one set that has this one entry, written as a YAML flow map. */
const withEntry = (entry: string) => `${registries}\nimageSets: [{ name: a, images: [{ ${entry} }] }]`;
const ml = 'repository: "harbor.example/ml/**"';

function patternOf(more: string): RepositoryPattern | undefined {
  return accepted(withEntry(`${ml}${more === '' ? '' : `, ${more}`}`)).imageSets[0]?.patterns[0];
}

describe('an entry that names repositories', () => {
  test('takes every tag where it says nothing else', () => expect(patternOf('')).toEqual(samplePattern()));

  test.each<[string, Partial<RepositoryPattern>]>([
    ['labels: [prod, prod, "Größe 1"]', { labels: ['prod', 'Größe 1'] }],
    ['maxSeverity: high', { maxSeverity: 'high' }],
    ['maxSeverity: none, unscanned: allow', { maxSeverity: 'none', unscanned: 'allow' }],
    ['signed: true', { signed: 'any' }],
    ['signed: false', { signed: undefined }],
    ['signed: notation', { signed: 'notation' }],
    [`signedBy: [${quoted}]`, { signed: 'cosign', signedBy: [String(publicKey)] }],
    [`signed: true, signedBy: [${quoted}]`, { signed: 'cosign', signedBy: [String(publicKey)] }],
  ])('%s', (more, expected) => expect(patternOf(more)).toEqual(samplePattern(expected)));

  test('says which tags, and how many of the newest', () => {
    expect(patternOf('tags: { match: "v{1,2}*", regex: "v[0-9]+", semver: ">=1.4 <3" }')?.tags).toEqual({
      match: 'v{1,2}*',
      regex: 'v[0-9]+',
      semver: '>=1.4 <3',
      newest: undefined,
      newestBy: 'push_time',
    });
    expect(patternOf('tags: { newest: 200, newestBy: version }')?.tags).toMatchObject({
      newest: 200,
      newestBy: 'version',
    });
  });

  test('is taken apart into host, project and repository; Docker Hub goes by one name', () => {
    const text =
      'registries: [{ host: docker.io, harbor: true }]\nimageSets: [{ name: a, images: [{ repository: index.docker.io/team-*/a/b-? }] }]';
    expect(accepted(text).imageSets[0]?.patterns[0]).toMatchObject({
      registry: 'docker.io',
      project: 'team-*',
      repository: 'a/b-?',
    });
  });

  test('stands beside images, and counts once', () => {
    const images = `[busybox, { ${ml} }, { image: alpine }, { ${ml}, tags: {} }]`;
    const [set] = accepted(`${registries}\nimageSets: [{ name: a, images: ${images} }]`).imageSets;
    expect(set?.images).toEqual(['docker.io/library/busybox:latest', 'docker.io/library/alpine:latest']);
    expect(set?.patterns).toEqual([samplePattern()]);
  });
});

test.each<[string, string, string]>([
  ['', 'image', 'is required, unless the entry has repository'],
  [`image: busybox, ${ml}`, 'repository', 'either image or repository'],
  ['image: busybox, tags: { newest: 1 }', 'tags', 'has an effect only with repository'],
  ['image: busybox, signed: true', 'signed', 'has an effect only with repository'],
  ['image: busybox, maxSeverity: low', 'maxSeverity', 'has an effect only with repository'],
  ['repository: https://harbor.example/ml/x', 'repository', 'no scheme'],
  ['repository: harbor.example/ml', 'repository', 'a host, a project and a repository'],
  ['repository: harbor.example/ml/', 'repository', 'a host, a project and a repository'],
  ['repository: "*.example/ml/x"', 'repository', 'the host cannot be a glob'],
  ['repository: harbor/ml/x', 'repository', 'add the port'],
  ['repository: harbor.example/ml/x:1', 'repository', 'neither tag nor digest'],
  ['repository: "harbor.example/**/x"', 'repository', 'write * for all projects'],
  ['repository: harbor.example/ml/X', 'repository', 'is made of a-z'],
  ['repository: "harbor.example/ml/[ab]"', 'repository', 'is made of a-z'],
  ['repository: "harbor.example/!ml/x"', 'repository', 'cannot be negated'],
  ['repository: harbor.example/ml//x', 'repository', 'a part of the name is empty'],
  ['repository: "harbor.example/ml/{a"', 'repository', 'a { is not closed'],
  ['repository: "harbor.example/ml/a}"', 'repository', 'a } closes nothing'],
  ['repository: "harbor.example/ml/{a,{b,c}}"', 'repository', 'inside braces'],
  ['repository: "harbor.example/ml/a,b"', 'repository', 'a comma stands only in braces'],
  ['repository: "harbor.example/ml/{1..9}"', 'repository', 'ranges are not expanded'],
  ['repository: "harbor.example/ml/*a*b*c*d*e*f"', 'repository', 'at most 5 *'],
  [`repository: harbor.example/ml/${'x'.repeat(256)}`, 'repository', 'at most 255 characters'],
  [`${ml}, tags: { match: "a/b" }`, 'tags.match', 'is made of A-Z'],
  [`${ml}, tags: { match: "" }`, 'tags.match', 'must not be empty'],
  [`${ml}, tags: { regex: "a(" }`, 'tags.regex', 'is no RE2 expression: missing closing )'],
  [`${ml}, tags: { regex: "(?=a)b" }`, 'tags.regex', 'no look-ahead and look-behind'],
  [`${ml}, tags: { regex: "(?<!a)b" }`, 'tags.regex', 'no look-ahead and look-behind'],
  [`${ml}, tags: { regex: '(a)\\1' }`, 'tags.regex', 'no back references'],
  [`${ml}, tags: { regex: "" }`, 'tags.regex', 'must not be empty'],
  [`${ml}, tags: { regex: "${'a'.repeat(1_001)}" }`, 'tags.regex', 'at most 1000 characters'],
  [`${ml}, tags: { semver: latest }`, 'tags.semver', 'a range of semantic versions'],
  [`${ml}, tags: { semver: " " }`, 'tags.semver', 'a range of semantic versions'],
  [`${ml}, tags: { newest: 0 }`, 'tags.newest', 'from 1 to 200'],
  [`${ml}, tags: { newest: 201 }`, 'tags.newest', 'from 1 to 200'],
  [`${ml}, tags: { newestBy: version }`, 'tags.newestBy', 'has an effect only with newest'],
  [`${ml}, tags: { newest: 1, newestBy: date }`, 'tags.newestBy', 'must be pushTime or version'],
  [`${ml}, tags: { matches: x }`, 'tags.matches', 'did you mean match?'],
  [`${ml}, labels: [""]`, 'labels[0]', 'the name of a Harbor label'],
  [`${ml}, labels: [" a"]`, 'labels[0]', 'the name of a Harbor label'],
  [`${ml}, maxSeverity: High`, 'maxSeverity', 'none or negligible or low'],
  [`${ml}, unscanned: allow`, 'unscanned', 'has an effect only with maxSeverity'],
  [`${ml}, maxSeverity: low, unscanned: ignore`, 'unscanned', 'must be refuse or allow'],
  [`${ml}, signed: gpg`, 'signed', 'must be true or false or cosign or notation'],
  [`${ml}, signedBy: []`, 'signedBy', 'must name a key'],
  [`${ml}, signedBy: [abc]`, 'signedBy[0]', '-----BEGIN PUBLIC KEY-----'],
  [`${ml}, signedBy: ["${'a'.repeat(10_001)}"]`, 'signedBy[0]', 'at most 10000 characters'],
  [`${ml}, signed: notation, signedBy: [${quoted}]`, 'signed', 'signedBy asks for cosign signatures'],
])('{ %s }', (entry, path, rule) => {
  const at = `imageSets[0].images[0].${path}`;
  const mistakes = refused(withEntry(entry)).filter((mistake) => mistake.path === at);
  expect(mistakes.map((mistake) => mistake.rule).join()).toContain(rule);
});

test('the host must be a registry that is a Harbor; that is told beside all other mistakes', () => {
  const text = `${registries}
imageSets:
- name: a
  images:
  - { repository: harbor.example/ml/x }
  - { repository: plain.example/ml/x }
  - { repository: other.example/ml/x, tags: { newest: 0 } }
`;
  expect(lines(refused(text))).toEqual([
    'config.yaml:6: imageSets[0].images[1].repository: "plain.example/ml/x": a repository needs an entry in registries with host: plain.example and harbor: true',
    'config.yaml:7: imageSets[0].images[2].tags.newest: "0": must be a whole number from 1 to 200',
    'config.yaml:7: imageSets[0].images[2].repository: "other.example/ml/x": a repository needs an entry in registries with host: other.example and harbor: true',
  ]);
});

test('a private key is never repeated', () => {
  const pem = String(
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  const mistakes = refused(withEntry(`${ml}, signedBy: [${JSON.stringify(pem)}]`));
  expect(mistakes).toMatchObject([{ rule: expect.stringContaining('private key') }]);
  expect(mistakes[0]?.value).toBeUndefined();
});

test('coordinator and warm', () => {
  const text = `
coordinator: { enabled: false, interval: 1m, keepAlive: true }
warm: { enabled: false, method: read, maxParallel: 8, maxPerMinute: 100, deadline: 10m }
`;
  expect(accepted(text)).toMatchObject({
    coordinator: { enabled: false, intervalMs: 60_000, keepAlive: true },
    warm: { enabled: false, method: 'read', maxParallel: 8, maxPerMinute: 100, deadlineMs: 600_000 },
  });
  expect(accepted(registries).registries.map(({ harbor }) => harbor)).toEqual([true, false]);
});

test.each<[string, string, string]>([
  ['coordinator: { interval: 9s }', 'coordinator.interval', 'at least 10s'],
  ['coordinator: { interval: 25h }', 'coordinator.interval', 'at most 1d'],
  ['coordinator: { keepAlive: often }', 'coordinator.keepAlive', 'true or false'],
  ['warm: { method: wait }', 'warm.method', 'must be abort or manifest or read'],
  ['warm: { maxParallel: 17 }', 'warm.maxParallel', 'from 1 to 16'],
  ['warm: { maxPerMinute: 0 }', 'warm.maxPerMinute', 'from 1 to 10000'],
  ['warm: { deadline: 9s }', 'warm.deadline', 'at least 10s'],
  ['registries: [{ host: a.io, harbor: 2 }]', 'registries[0].harbor', 'true or false'],
])('%s', (text, path, rule) => {
  const mistakes = refused(text).filter((mistake) => mistake.path === path);
  expect(mistakes.map((mistake) => mistake.rule).join()).toContain(rule);
});
