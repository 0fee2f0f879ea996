import { expect, test } from 'vitest';
import { lines, warned } from './texts.ts';

test('what is probably not meant is told with path, value, rule and line, and accepted', () => {
  const text = `prune:
  unusedFor: 0s
  watermarks: { critical: 90% }
  keep:
    - harbor.example.com/platform/*
    - "*/*"
  docker:
    networks: { enabled: true, unusedFor: 0s }
`;
  expect(lines(warned(text))).toEqual([
    'config.yaml:2: prune.unusedFor: "0s": each run removes every image that is not in use and that nothing else holds',
    'config.yaml:3: prune.watermarks.critical: "90%": is not below 85%, where the kubelet begins to remove images unless it is told otherwise: it will come first',
    'config.yaml:6: prune.keep[1]: "*/*": matches every image that has a name, so that hardly anything is pruned',
    'config.yaml:8: prune.docker.networks.unusedFor: "0s": removes at once what is only for a moment out of use',
  ]);
});

test.each([
  '',
  'prune: { watermarks: { critical: 84.9% } }',
  'prune: { watermarks: { low: 3Gi, high: 2Gi, critical: 1Gi } }',
  'prune: { keep: ["*.example.com/*", "**:latest"] }',
  'prune: { minimumAge: 0s, spaceGrace: 0s, jitter: 0s }',
  'prune: { unusedFor: 30m, minimumAge: 1h }',
  'prune: { docker: { volumes: { unusedFor: 0s } } }',
])('%s is nothing to warn of', (text) => expect(warned(text)).toEqual([]));

test('of several watermarks that the kubelet comes before, the lowest is told', () => {
  expect(warned('prune: { watermarks: { low: 80%, high: 85%, critical: 95% } }').map(({ path }) => path)).toEqual([
    'prune.watermarks.high',
  ]);
});

test.each<[string, string, string]>([
  ['registries: [{ host: docker.io, harbor: true }]', 'registries[0].harbor', 'Docker Hub is no Harbor'],
  ['coordinator: { keepAlive: true }', 'coordinator.keepAlive', 'without a registry with harbor: true'],
  [
    'registries: [{ host: a.io, harbor: true }]\ncoordinator: { enabled: false, keepAlive: true }',
    'coordinator.keepAlive',
    'while coordinator.enabled is false',
  ],
  ['warm: { maxPerMinute: 5 }', 'warm.maxPerMinute', 'without a registry with harbor: true'],
  [
    'registries: [{ host: a.io, harbor: true }]\nwarm: { enabled: false, maxPerMinute: 5 }',
    'warm.maxPerMinute',
    'while warm.enabled is false',
  ],
])('what has no effect is told: %s', (text, path, rule) => {
  expect(warned(text)).toMatchObject([{ path, rule: expect.stringContaining(rule) }]);
});

test('with a Harbor there is nothing to warn of', () => {
  const text =
    'registries: [{ host: a.io, harbor: true }]\ncoordinator: { keepAlive: true }\nwarm: { maxPerMinute: 5 }';
  expect(warned(text)).toEqual([]);
});
