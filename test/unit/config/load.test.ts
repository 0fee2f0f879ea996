import { expect, test } from 'vitest';
import type { Configuration } from '../../../agent/core/configuration.ts';
import { defaultCoordinator, defaultWarm } from '../../fakes/default-coordinator.ts';
import { defaultPrefetch } from '../../fakes/default-prefetch.ts';
import { defaultPrune } from '../../fakes/default-prune.ts';
import { accepted, oneSet } from './texts.ts';

const defaults: Configuration = {
  registries: [],
  credentials: [],
  imageSets: [],
  prefetch: defaultPrefetch,
  gate: { deadlineMs: 900_000 },
  coordinator: defaultCoordinator,
  warm: defaultWarm,
  prune: defaultPrune,
};

test.each([
  '',
  '# nothing yet\n',
  '---\n',
  '{}',
  'imageSets:\nprefetch:\ngate:\nprune:\nregistries:\ncredentials:\n',
  'prune: {}',
])('a configuration that says nothing wants nothing: %j', (text) => expect(accepted(text)).toEqual(defaults));

test('registries', () => {
  const text = `
registries:
  - host: harbor.example.com
    caFile: /etc/stevedore/ca/harbor.crt
    tokenHosts: [auth.example.com, "auth:8443"]
  - { host: cache.lan:5000, plainHTTP: true }
  - { host: index.docker.io, insecureSkipVerify: true }
`;
  const base = { harbor: false, plainHTTP: false, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
  const tokenHosts = ['auth.example.com', 'auth:8443'];
  expect(accepted(text).registries).toEqual([
    { ...base, host: 'harbor.example.com', caFile: '/etc/stevedore/ca/harbor.crt', tokenHosts },
    { ...base, host: 'cache.lan:5000', plainHTTP: true },
    { ...base, host: 'docker.io', insecureSkipVerify: true },
  ]);
});

test('credentials, for all and of one image set', () => {
  const files = { host: 'harbor.example.com', usernameFile: '/run/user', passwordFile: '/run/password' };
  const text = `credentials: [/a/.dockerconfigjson, ${JSON.stringify(files)}]\n${oneSet('credentials: [/b]')}`;
  const configuration = accepted(text);
  expect(configuration.credentials).toEqual([
    { kind: 'dockerconfig', file: '/a/.dockerconfigjson' },
    { kind: 'files', ...files },
  ]);
  expect(configuration.imageSets[0]?.credentials).toEqual([{ kind: 'dockerconfig', file: '/b' }]);
});

test('an image set with its defaults', () => {
  expect(accepted(oneSet()).imageSets).toEqual([
    {
      name: 'a',
      nodeSelector: { matchLabels: {}, matchExpressions: [] },
      images: ['x.io/y:latest'],
      patterns: [],
      credentials: [],
      priority: 0,
      gate: false,
      pullPolicy: 'IfNotPresent',
      refreshEveryMs: 1_800_000,
      window: undefined,
    },
  ]);
});

test('an image set with everything', () => {
  const text = oneSet(
    'nodeSelector:',
    '  matchLabels: { accelerator: nvidia, empty: "" }',
    '  matchExpressions:',
    '  - { key: zone, operator: NotIn, values: [a, b] }',
    '  - { key: nvidia.com/gpu, operator: Exists }',
    '  - { key: rack, operator: DoesNotExist, values: [] }',
    'priority: 100',
    'gate: true',
    'pullPolicy: Always',
    'refreshEvery: 10m',
    'window: { cron: "0 20 * * 5", duration: 10h, timeZone: Europe/Berlin }',
  );
  expect(accepted(text).imageSets[0]).toMatchObject({
    nodeSelector: {
      matchLabels: { accelerator: 'nvidia', empty: '' },
      matchExpressions: [
        { key: 'zone', operator: 'NotIn', values: ['a', 'b'] },
        { key: 'nvidia.com/gpu', operator: 'Exists' },
        { key: 'rack', operator: 'DoesNotExist' },
      ],
    },
    priority: 100,
    gate: true,
    pullPolicy: 'Always',
    refreshEveryMs: 600_000,
    window: {
      cron: '0 20 * * 5',
      schedule: { minutes: [0], hours: [20], daysOfWeek: [5] },
      durationMs: 36_000_000,
      timeZone: 'Europe/Berlin',
    },
  });
});

test('images in both spellings are normalised, and one that comes twice counts once', () => {
  const text = 'imageSets: [{ name: a, images: [busybox, { image: "x.io/y:1" }, "docker.io/library/busybox:latest"] }]';
  expect(accepted(text).imageSets[0]?.images).toEqual(['docker.io/library/busybox:latest', 'x.io/y:1']);
});

test.each([
  ['enabled: false', { enabled: false }],
  ['dryRun: true', { dryRun: true }],
  ['concurrency: 16', { concurrency: 16 }],
  ['stallTimeout: 90s', { stallTimeoutMs: 90_000 }],
  ['pullTimeout: 1h30m', { pullTimeoutMs: 5_400_000 }],
  ['allow: ["harbor.example.com/*"]', { allow: ['harbor.example.com/*'] }],
  ['allow: []', { allow: [] }],
  ['maxImageSize: 60Gi', { maxImageSizeBytes: 60 * 2 ** 30 }],
  ['maxImageSize: 1000', { maxImageSizeBytes: 1000 }],
  ['pinBudget: 100%', { pinBudget: { kind: 'share', ratio: 1 } }],
  ['pinBudget: 0%', { pinBudget: { kind: 'share', ratio: 0 } }],
  ['pinBudget: 200Gi', { pinBudget: { kind: 'bytes', bytes: 200 * 2 ** 30 } }],
  ['maxNodes: 1', { maxNodes: 1 }],
  ['maxNodes: 1000', { maxNodes: 1000 }],
  ['spreadOver: 24h', { spreadOverMs: 86_400_000 }],
  ['pauseOnDrain: false', { pauseOnDrain: false }],
])('prefetch: %s', (option, effect) => {
  expect(accepted(`prefetch: { ${option} }`)).toEqual({ ...defaults, prefetch: { ...defaults.prefetch, ...effect } });
});

test.each([
  ['10s', 10_000],
  ['24h', 86_400_000],
])('gate: { deadline: %s }', (deadline, deadlineMs) => {
  expect(accepted(`gate: { deadline: ${deadline} }`)).toEqual({ ...defaults, gate: { deadlineMs } });
});

test('JSON is read too, with tabs, and so are anchors and a byte order mark', () => {
  expect(accepted('{\n\t"prefetch": {\n\t\t"concurrency": 3\n\t}\n}\n').prefetch.concurrency).toBe(3);
  expect(accepted('\uFEFFprefetch: { concurrency: 3 }').prefetch.concurrency).toBe(3);
  const sets = accepted('imageSets: [{ name: a, images: &i [x.io/y] }, { name: b, images: *i }]').imageSets;
  expect(sets.map(({ images }) => images)).toEqual([['x.io/y:latest'], ['x.io/y:latest']]);
});
