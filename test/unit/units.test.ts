import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatDuration,
  formatPercentage,
  formatSize,
  parseDuration,
  parsePercentage,
  parseSize,
} from '../../agent/core/units.ts';

test.each([
  ['0s', 0],
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['10h', 36_000_000],
  ['7d', 604_800_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['0.5s', 500],
])('the duration %s is %d ms', (text, durationMs) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test.each([
  '',
  '5',
  's',
  '-5s',
  '5 s',
  '10ms',
  '5S',
  '1y',
  '1w',
  '1h 30m',
  '1.s',
  '.5s',
  '1e3s',
  '٣s',
  '99999999999999d',
])('"%s" is no duration', (text) => expect(parseDuration(text)).toBeUndefined());

test.each([
  ['0', 0],
  ['1000', 1000],
  ['60Gi', 60 * 2 ** 30],
  ['60G', 60e9],
  ['1.5Ki', 1536],
  ['1k', 1000],
  ['512Mi', 512 * 2 ** 20],
  ['2Ti', 2 * 2 ** 40],
  ['3T', 3e12],
  ['4M', 4e6],
])('the size %s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', 'Gi', '60GB', '60GiB', '60gi', '1K', '1.5', '-1Gi', '1 Gi', '1Pi', '1e9', '99999999Ti'])(
  '"%s" is no size',
  (text) => expect(parseSize(text)).toBeUndefined(),
);

test.each([
  ['75%', 0.75],
  ['72.5%', 0.725],
  ['0.1%', 0.001],
  ['0%', 0],
  ['100%', 1],
])('%s is the ratio %d', (text, ratio) => {
  expect(parsePercentage(text)).toBeCloseTo(ratio, 10);
});

test.each(['75', '-5%', '75 %', '%', '100.1%', '175%', '1000%'])('"%s" is no percentage of a whole', (text) =>
  expect(parsePercentage(text)).toBeUndefined(),
);

test('a duration reads back as it was written', () => {
  expect(formatDuration(5_400_000)).toBe('1h30m');
  expect(formatDuration(0)).toBe('0s');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400 * 86_400_000 }), (durationMs) => {
      expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
    }),
  );
});

test.each([
  [20 * 2 ** 30, '20Gi'],
  [20e9, '20G'],
  [1.5 * 2 ** 30, '1.5Gi'],
  [Math.round(1.3 * 2 ** 30), '1.3Gi'],
  [512 * 2 ** 20, '512Mi'],
  [1, '0.001k'],
  [0, '0k'],
])('%d bytes are written %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));

test('a size reads back as it was written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      expect(parseSize(formatSize(bytes))).toBe(bytes);
    }),
  );
});

test.each([
  [0.75, '75%'],
  [0.575, '57.5%'],
  [1 / 3, '33.33%'],
  [1, '100%'],
])('the ratio %d is written %s', (ratio, text) => expect(formatPercentage(ratio)).toBe(text));

test('a size is its number times its unit', () => {
  const unit = fc.constantFrom(['', 1], ['k', 1e3], ['Ki', 2 ** 10], ['G', 1e9], ['Gi', 2 ** 30] as const);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9999 }), unit, (count, [suffix, factor]) => {
      expect(parseSize(`${count}${suffix}`)).toBe(count * Number(factor));
    }),
  );
});

test('durations add up part by part', () => {
  const part = fc.tuple(fc.integer({ min: 0, max: 999 }), fc.constantFrom('s', 'm', 'h', 'd'));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const texts = parts.map(([count, unit]) => `${count}${unit}`);
      const sum = texts.reduce((total, text) => total + (parseDuration(text) ?? Number.NaN), 0);
      expect(parseDuration(texts.join(''))).toBe(sum);
    }),
  );
});
