import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type LabelRequirement,
  type Labels,
  type LabelSelector,
  selects,
  unmetRequirement,
} from '../../agent/core/label-selector.ts';
import { imageSetNameRule, labelKeyRule, labelValueRule } from '../../agent/core/label-syntax.ts';

const node: Labels = { zone: 'a', gpu: 'h100', empty: '' };

function selector(matchLabels: Labels, ...matchExpressions: LabelRequirement[]): LabelSelector {
  return { matchLabels, matchExpressions };
}

test.each<[string, LabelSelector, boolean]>([
  ['no requirement', selector({}), true],
  ['a label that is there', selector({ zone: 'a' }), true],
  ['a label with another value', selector({ zone: 'b' }), false],
  ['an absent label', selector({ rack: 'a' }), false],
  ['an empty value', selector({ empty: '' }), true],
  ['an absent label for an empty value', selector({ rack: '' }), false],
  ['two labels, one wrong', selector({ zone: 'a', gpu: 'a100' }), false],
  ['In', selector({}, { key: 'gpu', operator: 'In', values: ['a100', 'h100'] }), true],
  ['In, absent', selector({}, { key: 'rack', operator: 'In', values: ['a'] }), false],
  ['NotIn', selector({}, { key: 'gpu', operator: 'NotIn', values: ['a100'] }), true],
  ['NotIn, excluded', selector({}, { key: 'gpu', operator: 'NotIn', values: ['h100'] }), false],
  ['NotIn, absent', selector({}, { key: 'rack', operator: 'NotIn', values: ['a'] }), true],
  ['Exists', selector({}, { key: 'empty', operator: 'Exists' }), true],
  ['Exists, absent', selector({}, { key: 'rack', operator: 'Exists' }), false],
  ['DoesNotExist', selector({}, { key: 'gpu', operator: 'DoesNotExist' }), false],
  ['DoesNotExist, absent', selector({}, { key: 'rack', operator: 'DoesNotExist' }), true],
  ['a name that every object has, absent', selector({}, { key: 'constructor', operator: 'Exists' }), false],
  ['labels and expressions together', selector({ zone: 'a' }, { key: 'gpu', operator: 'DoesNotExist' }), false],
])('%s', (_, wanted, selected) => {
  expect(selects(wanted, node)).toBe(selected);
  expect(unmetRequirement(wanted, node) === undefined).toBe(selected);
});

test('the unmet requirement is said with what the node has', () => {
  expect(unmetRequirement(selector({ zone: 'b' }), node)).toBe('zone=b: the node has zone=a');
  expect(unmetRequirement(selector({ rack: 'r' }), node)).toBe('rack=r: the node has no label rack');
  expect(unmetRequirement(selector({}, { key: 'gpu', operator: 'NotIn', values: ['h100', 'x'] }), node)).toBe(
    'gpu NotIn (h100, x): the node has gpu=h100',
  );
  expect(unmetRequirement(selector({}, { key: 'gpu', operator: 'DoesNotExist' }), node)).toBe(
    'gpu DoesNotExist: the node has gpu=h100',
  );
});

const key = fc.constantFrom('a', 'b', 'c');
const value = fc.constantFrom('', 'x', 'y');
const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.array(value, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);

/** By the words of the API documentation: a requirement is a set of allowed values, and whether absence is allowed. */
function allows(one: LabelRequirement, found: string | undefined): boolean {
  if (found === undefined) return one.operator === 'NotIn' || one.operator === 'DoesNotExist';
  if (!('values' in one)) return one.operator === 'Exists';
  return one.values.some((candidate) => candidate === found) === (one.operator === 'In');
}

test('selects what the naive reading of every requirement selects', () => {
  const labels = fc.dictionary(key, value);
  fc.assert(
    fc.property(labels, fc.array(requirement, { maxLength: 4 }), labels, (matchLabels, matchExpressions, found) => {
      const have = new Map(Object.entries(found));
      const naive =
        Object.entries(matchLabels).every(([name, wanted]) => have.get(name) === wanted) &&
        matchExpressions.every((one) => allows(one, have.get(one.key)));
      expect(selects({ matchLabels, matchExpressions }, found)).toBe(naive);
    }),
  );
});

test.each([
  'a',
  'A-b_c.d',
  'nvidia.com/gpu',
  'node-role.kubernetes.io/control-plane',
  '1',
  'a'.repeat(63),
  `${'a.'.repeat(126)}a/x`,
])('%s is a label key', (text) => expect(labelKeyRule(text)).toBeUndefined());

test.each([
  '',
  '-a',
  'a-',
  '.a',
  'a b',
  'ä',
  '/a',
  'a/',
  'a/b/c',
  'Nvidia.com/gpu',
  'a_b/c',
  'a..b/c',
  'a'.repeat(64),
  `${'a'.repeat(254)}/x`,
])('"%s" is no label key', (text) => expect(labelKeyRule(text)).toBeTypeOf('string'));

test.each(['', 'a', 'h100', 'A.b_c-d', 'a'.repeat(63)])('"%s" is a label value', (text) =>
  expect(labelValueRule(text)).toBeUndefined(),
);

test.each(['-', 'a/b', 'a b', 'a,b', 'a'.repeat(64)])('"%s" is no label value', (text) =>
  expect(labelValueRule(text)).toBeTypeOf('string'),
);

test('an image set’s name is never empty', () => {
  expect(imageSetNameRule('gpu-training')).toBeUndefined();
  expect(imageSetNameRule('')).toBeTypeOf('string');
});
