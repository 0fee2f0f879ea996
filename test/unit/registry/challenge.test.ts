import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../../agent/registry/challenge.ts';

const read = (...headers: string[]) =>
  parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('WWW-Authenticate', () => {
  test.each<[string, string[], unknown]>([
    [
      'of Harbor',
      ['Bearer realm="https://h/service/token",service="harbor-registry",scope="repository:app/web:pull"'],
      [['bearer', { realm: 'https://h/service/token', service: 'harbor-registry', scope: 'repository:app/web:pull' }]],
    ],
    [
      'with a comma inside the scope',
      ['Bearer scope="repository:a:pull,push",realm="r"'],
      [['bearer', { scope: 'repository:a:pull,push', realm: 'r' }]],
    ],
    ['with escaped quotes', ['Basic realm="say \\"hi\\""'], [['basic', { realm: 'say "hi"' }]]],
    ['without quotes, with spaces', ['BEARER  Realm = r , Service=s'], [['bearer', { realm: 'r', service: 's' }]]],
    [
      'several in one line',
      ['Basic realm="a", Bearer realm="b",service="s"'],
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b', service: 's' }],
      ],
    ],
    [
      'several lines',
      ['Negotiate', 'Basic realm=x'],
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'a token68',
      ['Negotiate YWJj==, Basic realm="x"'],
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['empty, as Harbor for an unknown project', [''], []],
    ['none', [], []],
    ['the first of two equal names counts', ['Bearer realm=a,realm=b'], [['bearer', { realm: 'a' }]]],
  ])('%s', (_, headers, expected) => {
    expect(read(...headers)).toEqual(expected);
  });

  test('a quote that never ends gives no realm', () => {
    expect(read('Bearer realm="https://h')[0]?.[1]).not.toHaveProperty('realm');
  });

  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const value = fc.string({ unit: 'grapheme-ascii', maxLength: 30 });
  const challenge = fc.record({
    scheme: fc.constantFrom('Bearer', 'Basic', 'Digest', 'Negotiate'),
    parameters: fc.dictionary(name, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
  });

  test('whatever is written by the rules is read back', () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), fc.constantFrom(', ', ',', ' , '), (challenges, comma) => {
        const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
        const header = challenges
          .map(
            ({ scheme, parameters }) =>
              `${scheme} ${Object.entries(parameters)
                .map(([key, text]) => `${key}=${quote(text)}`)
                .join(comma)}`,
          )
          .join(', ');
        expect(read(header)).toEqual(challenges.map(({ scheme, parameters }) => [scheme.toLowerCase(), parameters]));
      }),
    );
  });

  test('nothing makes it throw or take long', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parseChallenges([text])));
    const started = performance.now();
    for (const text of [
      'a="\\'.repeat(2_000),
      'a '.repeat(5_000),
      '='.repeat(10_000),
      ` ${'a=,'.repeat(5_000)}`,
      'a'.repeat(16_000),
    ])
      parseChallenges([text]);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
