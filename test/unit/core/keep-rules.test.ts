import { expect, test } from 'vitest';
import type { KeepRule } from '../../../agent/core/configuration.ts';
import { matchesKeepRule, needsLabels } from '../../../agent/core/keep-rules.ts';
import { matchesEverything } from '../../../agent/core/reference-glob.ts';

const id = `sha256:${'1'.repeat(64)}`;
const manifest = `sha256:${'2'.repeat(64)}`;
const names = ['harbor.lan:5000/team/app:v1', `harbor.lan:5000/team/app@${manifest}`];
const labels = { tier: 'platform', empty: '' };

const glob = (text: string): KeepRule => ({ kind: 'glob', glob: text });
const digest = (text: string): KeepRule => ({ kind: 'digest', digest: text });
const label = (key: string, value?: string): KeepRule => ({ kind: 'label', key, value });

test.each<[string, KeepRule, boolean]>([
  ['a host', glob('harbor.lan:5000'), true],
  ['another host', glob('harbor.lan'), false],
  ['everything below a path', glob('harbor.lan:5000/team/*'), true],
  ['the name without its tag', glob('harbor.lan:5000/*/app'), true],
  ['its tag', glob('harbor.lan:5000/team/app:v*'), true],
  ['another tag', glob('harbor.lan:5000/team/app:v2'), false],
  ['its digest in a glob', glob(`harbor.lan:5000/team/app@${manifest}`), true],
  ['a longer name', glob('harbor.lan:5000/team/ap'), false],
  ['the image id', digest(id), true],
  ['the digest of a name', digest(manifest), true],
  ['another digest', digest(`sha256:${'3'.repeat(64)}`), false],
  ['a label with whatever value', label('tier'), true],
  ['a label with its value', label('tier', 'platform'), true],
  ['a label with another value', label('tier', 'app'), false],
  ['a label with an empty value', label('empty', ''), true],
  ['an empty value does not mean whatever value', label('tier', ''), false],
  ['a label that it does not have', label('other'), false],
  ['a key that every object has', label('toString'), false],
])('%s', (_, rule, held) => expect(matchesKeepRule([rule], names, id, labels)).toBe(held));

test('one rule of several is enough, and none holds nothing', () => {
  expect(matchesKeepRule([glob('other.lan'), label('nothing'), digest(manifest)], names, id, labels)).toBe(true);
  expect(matchesKeepRule([], names, id, labels)).toBe(false);
});

test('an image that nothing names is found by its id and its labels', () => {
  expect(matchesKeepRule([glob('**')], [], id, labels)).toBe(false);
  expect(matchesKeepRule([digest(id)], [], id, {})).toBe(true);
  expect(matchesKeepRule([label('tier')], [], id, labels)).toBe(true);
});

test('an image whose labels cannot be read is held by a rule on labels, and by no other', () => {
  expect(matchesKeepRule([label('nothing')], names, id, undefined)).toBe(true);
  expect(matchesKeepRule([glob('other.lan')], names, id, undefined)).toBe(false);
});

test.each([
  ['*', true],
  ['**', true],
  ['*/*', true],
  ['*/**', true],
  ['**/*', true],
  ['{*,docker.io}', true],
  ['?*/*', true],
  ['*.*/*', false],
  ['docker.io/*', false],
  ['**/library/*', false],
  ['**:latest', false],
])('%s matches everything: %s', (text, everything) => expect(matchesEverything(text)).toBe(everything));

test('labels are needed only by rules on labels', () => {
  expect(needsLabels([glob('*'), digest(id)])).toBe(false);
  expect(needsLabels([glob('*'), label('tier')])).toBe(true);
});
