import { expect, test } from 'vitest';
import { isAllowed } from '../../agent/core/allow.ts';
import { referenceGlobRule } from '../../agent/core/reference-glob.ts';

const digest = `sha256:${'0'.repeat(64)}`;

test.each([
  ['harbor.example.com/*', 'harbor.example.com/a:1', true],
  ['harbor.example.com/*', 'harbor.example.com/a/b/c:1', true],
  ['harbor.example.com/*', 'harbor.example.com.evil.io/a:1', false],
  ['harbor.example.com/*', 'harbor.example.com:8443/a:1', false],
  ['harbor.example.com/*', 'docker.io/harbor.example.com/a', false],
  ['harbor.example.com', 'harbor.example.com/a/b:1', true],
  ['harbor.example.com', 'harbor.example.com.evil.io/a', false],
  ['harbor.example.com/**', 'harbor.example.com/a/b:1', true],
  ['harbor.example.com/ml/*', 'harbor.example.com/ml/a/b:1', true],
  ['harbor.example.com/ml/*', 'harbor.example.com/ml-x/a:1', false],
  ['harbor.example.com/ml*/*', 'harbor.example.com/ml-x/a:1', true],
  ['harbor.example.com/*/base', 'harbor.example.com/ml/base:1', true],
  ['harbor.example.com/*/base', 'harbor.example.com/ml/x/base:1', false],
  ['harbor.example.com/**/base', 'harbor.example.com/ml/x/base:1', true],
  ['harbor.example.com/a', 'harbor.example.com/a:1', true],
  ['harbor.example.com/a', 'harbor.example.com/a/b:1', false],
  ['harbor.example.com/a', `harbor.example.com/a@${digest}`, true],
  ['harbor.example.com/a:v*', 'harbor.example.com/a:v1.2', true],
  ['harbor.example.com/a:v*', 'harbor.example.com/a:latest', false],
  ['harbor.example.com/a:{v1,v2}', 'harbor.example.com/a:v2', true],
  ['harbor.example.com/a:v1', `harbor.example.com/a:v1@${digest}`, false],
  [`harbor.example.com/a@${digest}`, `harbor.example.com/a:v1@${digest}`, true],
  ['*.example.com/*', 'harbor.example.com/a/b', true],
  ['*.example.com', 'harbor.example.com/a/b', true],
  ['*', 'any.host:5000/a/b', true],
  ['**', 'busybox', true],
  ['docker.io/library/*', 'busybox', true],
  ['docker.io/library/busybox', 'busybox:1', true],
  ['docker.io/library/*', 'bitnami/redis', false],
  ['cache.lan:5000/*', 'cache.lan:5000/a', true],
  ['[::1]:5000/*', '[::1]:5000/a', true],
  ['harbor.example.com/.*', 'harbor.example.com/a', false],
])('%s for %s: %s', (glob, reference, allowed) => {
  expect(isAllowed(reference, [glob], [])).toBe(allowed);
});

test('one glob of several is enough, and none allows nothing', () => {
  expect(isAllowed('b.io/x', ['a.io/*', 'b.io/*'], [])).toBe(true);
  expect(isAllowed('b.io/x', [], ['b.io'])).toBe(false);
});

test('without allow the hosts in registries are allowed', () => {
  expect(isAllowed('cache.lan:5000/a/b', undefined, ['cache.lan:5000'])).toBe(true);
  expect(isAllowed('cache.lan/a', undefined, ['cache.lan:5000'])).toBe(false);
  expect(isAllowed('busybox', undefined, ['cache.lan:5000'])).toBe(false);
  expect(isAllowed('busybox', undefined, ['docker.io'])).toBe(true);
});

test('with neither, nothing was restricted', () => {
  expect(isAllowed('any.io/x', undefined, [])).toBe(true);
});

test('allow takes the place of the hosts in registries', () => {
  expect(isAllowed('cache.lan:5000/a', ['b.io/*'], ['cache.lan:5000'])).toBe(false);
});

test.each(['harbor.example.com/*', '*', '*.example.com', 'localhost/*', 'docker.io/library/busybox', '[::1]:5000/*'])(
  '%s is a glob',
  (glob) => expect(referenceGlobRule(glob)).toBeUndefined(),
);

test.each(['', ' ', 'a b', '!harbor.example.com/*', 'https://h.io/*', 'busybox', 'library/*', '/x'])(
  '"%s" is no glob on references',
  (glob) => expect(referenceGlobRule(glob)).toBeTypeOf('string'),
);
