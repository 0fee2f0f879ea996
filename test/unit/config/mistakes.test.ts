import { expect, test } from 'vitest';
import { lines, oneSet, refused } from './texts.ts';

test('all mistakes come together, in the order of their lines, each with path, value, rule and line', () => {
  const text = `registries:
  - host: https://harbor.example.com
    mirror: true
imagesets: []
imageSets:
  - name: -a
    images:
      - busybox
      - Foo:bar
    window:
      cron: 0 0 20 * * *
      duration: 10
  - name: b
    images: []
    prority: 3
prefetch:
  stallTimeout: 5 minutes
`;
  expect(lines(refused(text))).toEqual([
    'config.yaml:2: registries[0].host: "https://harbor.example.com": a host has no scheme such as https://',
    'config.yaml:3: registries[0].mirror: unknown key',
    'config.yaml:4: imagesets: unknown key; did you mean imageSets?',
    'config.yaml:6: imageSets[0].name: "-a": an image set name must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit',
    'config.yaml:9: imageSets[0].images[1]: "Foo:bar": the repository name must be lower case',
    'config.yaml:11: imageSets[0].window.cron: "0 0 20 * * *": a cron line has 5 fields (minute, hour, day of month, month, day of week), not 6: there is no field for seconds',
    'config.yaml:12: imageSets[0].window.duration: "10": must be a duration such as 90s, 30m, 10h, 7d or 1h30m',
    'config.yaml:15: imageSets[1].prority: unknown key; did you mean priority?',
    'config.yaml:17: prefetch.stallTimeout: "5 minutes": must be a duration such as 90s, 30m, 10h, 7d or 1h30m',
  ]);
});

test.each<[string, string, string]>([
  ['registries: [{}]', 'registries[0].host', 'is required'],
  ['registries: [{ host: harbor }]', 'registries[0].host', 'add the port'],
  ['registries: [{ host: a.io }, { host: b.io }, { host: a.io }]', 'registries[2].host', 'entry 0 has the same host'],
  ['registries: [{ host: docker.io }, { host: index.docker.io }]', 'registries[1].host', 'entry 0 has the same host'],
  ['registries: [{ host: a.io, plainHTTP: true, caFile: /ca }]', 'registries[0].caFile', 'no effect with plainHTTP'],
  [
    'registries: [{ host: a.io, plainHTTP: true, insecureSkipVerify: true }]',
    'registries[0].insecureSkipVerify',
    'no effect with plainHTTP',
  ],
  ['registries: [{ host: a.io, plainHTTP: "true" }]', 'registries[0].plainHTTP', 'must be true or false'],
  ['registries: [{ host: a.io, caFile: ca.crt }]', 'registries[0].caFile', 'must be an absolute path'],
  ['registries: [{ host: a.io, tokenHosts: ["https://b.io"] }]', 'registries[0].tokenHosts[0]', 'must be a host'],
  ['credentials: [relative]', 'credentials[0]', 'must be an absolute path'],
  ['credentials: [{ host: a.io, usernameFile: /u }]', 'credentials[0].passwordFile', 'is required'],
  ['credentials: [1]', 'credentials[0]', 'must be a text or a map'],
  ['imageSets: [{ name: a }]', 'imageSets[0].images', 'is required'],
  ['imageSets: [{ images: [] }]', 'imageSets[0].name', 'is required'],
  ['imageSets: [x]', 'imageSets[0]', 'must be a map'],
  ['imageSets: {}', 'imageSets', 'must be a list'],
  ['imageSets: [{ name: a, images: [] }, { name: a, images: [] }]', 'imageSets[1].name', 'entry 0 has the same name'],
  ['imageSets: [{ name: a, images: [] }, { name: a, images: [-x] }]', 'imageSets[1].name', 'entry 0 has the same name'],
  [`imageSets: [{ name: ${'a'.repeat(64)}, images: [] }]`, 'imageSets[0].name', 'at most 63'],
  ['imageSets: [{ name: a, images: [{ image: "X" }] }]', 'imageSets[0].images[0].image', 'lower case'],
  ['imageSets: [{ name: a, images: [{}] }]', 'imageSets[0].images[0].image', 'is required'],
  ['imageSets: [{ name: a, images: [null] }]', 'imageSets[0].images[0]', 'has no value'],
  [oneSet('nodeSelector:'), 'imageSets[0].nodeSelector', 'has no value'],
  [
    oneSet('nodeSelector: { matchLabels: { gpu: true } }'),
    'imageSets[0].nodeSelector.matchLabels.gpu',
    'write "true" in quotes',
  ],
  [
    oneSet('nodeSelector: { matchLabels: { "a b": x } }'),
    'imageSets[0].nodeSelector.matchLabels["a b"]',
    'a label key must',
  ],
  [
    oneSet('nodeSelector: { matchLabels: { __proto__: x } }'),
    'imageSets[0].nodeSelector.matchLabels.__proto__',
    'unknown key',
  ],
  [
    oneSet('nodeSelector: { matchLabels: { a: "-" } }'),
    'imageSets[0].nodeSelector.matchLabels.a',
    'a label value must',
  ],
  [
    oneSet('nodeSelector: { matchLabels: { image-set.stevedore.dev/b: ready } }'),
    'imageSets[0].nodeSelector.matchLabels["image-set.stevedore.dev/b"]',
    'Stevedore writes this label itself',
  ],
  [
    oneSet('nodeSelector: { matchExpressions: [{ key: image-set.stevedore.dev/b, operator: Exists }] }'),
    'imageSets[0].nodeSelector.matchExpressions[0].key',
    'Stevedore writes this label itself',
  ],
  [oneSet('nodeSelector: { a: b }'), 'imageSets[0].nodeSelector.a', 'unknown key'],
  [
    oneSet('nodeSelector: { matchExpressions: [{ key: a, operator: In }] }'),
    'imageSets[0].nodeSelector.matchExpressions[0].values',
    'In needs at least one value',
  ],
  [
    oneSet('nodeSelector: { matchExpressions: [{ key: a, operator: NotIn, values: [] }] }'),
    'imageSets[0].nodeSelector.matchExpressions[0].values',
    'NotIn needs at least one value',
  ],
  [
    oneSet('nodeSelector: { matchExpressions: [{ key: a, operator: Exists, values: [x] }] }'),
    'imageSets[0].nodeSelector.matchExpressions[0].values',
    'Exists takes no values',
  ],
  [
    oneSet('nodeSelector: { matchExpressions: [{ key: a, operator: Gt, values: [x] }] }'),
    'imageSets[0].nodeSelector.matchExpressions[0].operator',
    'must be In or NotIn',
  ],
  [oneSet('priority: 1.5'), 'imageSets[0].priority', 'must be a whole number'],
  [oneSet('gate: yes'), 'imageSets[0].gate', 'must be true or false'],
  [oneSet('pullPolicy: Never'), 'imageSets[0].pullPolicy', 'must be IfNotPresent or Always'],
  [oneSet('refreshEvery: 30m'), 'imageSets[0].refreshEvery', 'only with pullPolicy: Always'],
  [oneSet('refreshEvery: 9s', 'pullPolicy: Always'), 'imageSets[0].refreshEvery', 'must be at least 10s'],
  [oneSet('window: { cron: "0 20 * * *" }'), 'imageSets[0].window.duration', 'is required'],
  [oneSet('window: { cron: "0 25 * * *", duration: 1h }'), 'imageSets[0].window.cron', 'invalid expression for hour'],
  [oneSet('window: { cron: "0 20 * * *", duration: 1h, timeZone: Mars/Base }'), 'imageSets[0].window.timeZone', 'IANA'],
  ['prefetch: { concurrency: 0 }', 'prefetch.concurrency', 'from 1 to 16'],
  ['prefetch: { concurrency: 17 }', 'prefetch.concurrency', 'from 1 to 16'],
  ['prefetch: { stallTimeout: 0.5s }', 'prefetch.stallTimeout', 'must be at least 1s'],
  ['prefetch: { stallTimeout: 2d }', 'prefetch.stallTimeout', 'must be at most 1d'],
  ['prefetch: { maxImageSize: 60GB }', 'prefetch.maxImageSize', 'must be a size'],
  ['prefetch: { maxImageSize: 0 }', 'prefetch.maxImageSize', 'must be a size'],
  ['prefetch: { allow: [harbor/*] }', 'prefetch.allow[0]', 'begins with the registry host'],
  ['prefetch: { allow: }', 'prefetch.allow', 'has no value'],
  ['prefetch: { pinBudget: 0 }', 'prefetch.pinBudget', 'a share such as 50% (0%: pin nothing)'],
  ['prefetch: { pinBudget: "50" }', 'prefetch.pinBudget', 'a share such as 50% (0%: pin nothing)'],
  ['prefetch: { pinBudget: 101% }', 'prefetch.pinBudget', 'at most 100%'],
  ['prefetch: { maxNodes: 0 }', 'prefetch.maxNodes', 'from 1 to 1000'],
  ['prefetch: { maxNodes: 1001 }', 'prefetch.maxNodes', 'from 1 to 1000'],
  ['prefetch: { spreadOver: 25h }', 'prefetch.spreadOver', 'must be at most 1d'],
  ['prefetch: { spreadOver: 0 }', 'prefetch.spreadOver', 'must be a duration'],
  ['prefetch: { pauseOnDrain: 1 }', 'prefetch.pauseOnDrain', 'must be true or false'],
  ['gate: { deadline: 9s }', 'gate.deadline', 'must be at least 10s'],
  ['gate: { deadline: 25h }', 'gate.deadline', 'must be at most 1d'],
  ['[]', '', 'must be a map'],
  ['hello', '', 'must be a map'],
])('%s', (text, path, rule) => {
  const mistakes = refused(text).filter((mistake) => mistake.path === path);
  expect(mistakes.map((mistake) => mistake.rule).join()).toContain(rule);
});

test.each(['harbor: {}', 'gate: { taint: x }', 'prune: { window: { cron: "0 2 * * *" } }'])(
  'a key that has no effect does not exist: %s',
  (text) => expect(refused(text).map(({ rule }) => rule)).toEqual(['unknown key']),
);

test.each([
  ['imageSet', 'imageSets'],
  ['registrys', 'registries'],
  ['Prefetch', 'prefetch'],
])('the key %s is near to %s', (written, known) => {
  expect(refused(`${written}: []`)[0]?.rule).toBe(`unknown key; did you mean ${known}?`);
});

test('an unknown key may be near to one of a list entry’s map', () => {
  const [mistake] = refused('imageSets: [{ name: a, images: [{ image: x.io/y, imagee: z }] }]');
  expect(mistake).toMatchObject({ path: 'imageSets[0].images[0].imagee', rule: 'unknown key; did you mean image?' });
});

test('a key that comes twice is told beside the other mistakes', () => {
  expect(lines(refused('prefetch:\n  concurrency: 2\n  dryRun: 1\n  concurrency: 3\n'))).toEqual([
    'config.yaml:3: prefetch.dryRun: "1": must be true or false',
    'config.yaml:4: prefetch.concurrency: the key is already on line 2',
  ]);
});

test.each([
  ['a: [1\nb: 2', 2, 'not YAML'],
  ['prefetch: {}\n---\nprefetch: {}\n', 2, 'one YAML document'],
  ['window:\n  cron: */5 * * * *\n', 2, 'a value that begins with * needs quotes'],
  ['prefetch: { allow: [*] }', 1, 'a value that begins with * needs quotes'],
  ['a: 1\nb: *c', 2, 'nothing is named &c'],
  ['\tprefetch: {}', 1, 'not YAML'],
])('what is no YAML is told with its line: %j', (text, line, rule) => {
  const [mistake] = refused(text);
  expect(mistake).toMatchObject({ path: '', line, rule: expect.stringContaining(rule) });
});

test.each([
  ['deep nesting', '['.repeat(100_000)],
  ['an alias bomb', `a: &a [1]\nb: [${'*a, '.repeat(500)}]`],
  ['aliases in a circle', 'imageSets: &a [*a]'],
  ['too much', `#${' '.repeat(256 * 1024)}`],
  ['a key that is a list', '? [a]\n: b'],
])('%s is refused, not thrown', (_, text) => {
  expect(refused(text).length).toBeGreaterThan(0);
});

test('no message repeats what may be a secret', () => {
  const text = `credentials: ["hunter2", { host: a.io, password: hunter2 }]\nregistries: [{ host: "https://me:hunter2@a.io" }]`;
  const mistakes = refused(text);
  expect(mistakes.length).toBeGreaterThan(3);
  expect(JSON.stringify(mistakes)).not.toContain('hunter2');
});

test('a long value is shortened', () => {
  const [mistake] = refused(`imageSets: [{ name: a, images: ["${'X'.repeat(300)}"] }]`);
  expect(mistake?.value?.length).toBeLessThan(100);
});

test('a rule between two options is told also where another part of the same map is wrong', () => {
  const expression = '{ key: "-", operator: In }';
  const text = `registries: [{ host: https://a.io, plainHTTP: true, caFile: /ca }]
imageSets:
- { name: -a, images: [-x], refreshEvery: 30m, nodeSelector: { matchExpressions: [${expression}] } }
- { name: a, images: [x.io/y], refreshEvery: 1s }`;
  expect(refused(text).map(({ path }) => path)).toEqual([
    'registries[0].host',
    'registries[0].caFile',
    'imageSets[0].name',
    'imageSets[0].nodeSelector.matchExpressions[0].key',
    'imageSets[0].nodeSelector.matchExpressions[0].values',
    'imageSets[0].images[0]',
    'imageSets[0].refreshEvery',
    'imageSets[1].refreshEvery',
    'imageSets[1].refreshEvery',
  ]);
});
