import { describe, expect, test } from 'vitest';
import { findAtRisk, type RetainableArtifact, type RetentionRule } from '../../../agent/core/retention.ts';

const dayMs = 86_400_000;
const now = Date.parse('2026-11-21T12:00:00Z');
const daysAgo = (days: number) => now - days * dayMs;

function rule(template: string, changes: Partial<RetentionRule> & { n?: number } = {}): RetentionRule {
  const { n, ...rest } = changes;
  return {
    template,
    parameters: n === undefined ? {} : { [template]: n },
    repositories: [{ decoration: 'repoMatches', pattern: '**' }],
    tags: [{ decoration: 'matches', pattern: '**' }],
    disabled: false,
    ...rest,
  };
}

interface Ages {
  readonly pushed?: number;
  readonly pulled?: number | undefined;
  readonly tagPulled?: number;
  readonly repository?: string;
}

/** Days ago. */
function image(name: string, { pushed = 100, pulled, tagPulled, repository = 'web' }: Ages = {}): RetainableArtifact {
  const at = (days: number | undefined) => (days === undefined ? undefined : daysAgo(days));
  return {
    repository,
    digest: `sha256:${name}`,
    pushedAt: daysAgo(pushed),
    pulledAt: at(pulled),
    tags: name.split('+').map((tag) => ({ name: tag, pushedAt: daysAgo(pushed), pulledAt: at(tagPulled) })),
  };
}

function tagsAtRisk(rules: readonly RetentionRule[], artifacts: readonly RetainableArtifact[]): string[] {
  return findAtRisk({ rules }, artifacts, now).atRisk.map(({ tag = 'untagged' }) => tag);
}

describe('pulled within so many days', () => {
  const weekly = rule('nDaysSinceLastPull', { n: 9 });

  test('at risk from a third of the period before its end', () => {
    const images = [2, 5.9, 6.1, 8.9, 9.1].map((pulled) => image(`d${pulled}`, { pulled }));
    expect(findAtRisk({ rules: [weekly] }, images, now).atRisk).toMatchObject([
      { tag: 'd6.1', leftMs: Math.round(2.9 * dayMs), periodDays: 9, isRenewedByPull: true },
      { tag: 'd8.9', periodDays: 9 },
      { tag: 'd9.1', leftMs: 0, periodDays: 9, rule: 'pulled within the last 9 days' },
    ]);
  });

  test('what was never pulled goes with the next run, however new it is', () => {
    expect(tagsAtRisk([weekly], [image('new', { pushed: 0 })])).toEqual(['new']);
  });

  test('the latest of artifact and tags counts, since clients pull by digest', () => {
    expect(
      tagsAtRisk([weekly], [image('a', { pulled: 1, tagPulled: 50 }), image('b', { pulled: 50, tagPulled: 1 })]),
    ).toEqual([]);
  });

  test('without a number that can be read Harbor takes 30', () => {
    const images = [image('in', { pulled: 15 }), image('out', { pulled: 31 })];
    expect(tagsAtRisk([rule('nDaysSinceLastPull')], images)).toEqual(['out']);
    expect(tagsAtRisk([rule('nDaysSinceLastPull', { n: -4 })], images)).toEqual(['out']);
  });
});

test('pushed within so many days: a pull does not help', () => {
  for (const template of ['nDaysSinceLastPush', 'lastXDays']) {
    const { atRisk } = findAtRisk(
      { rules: [rule(template, { n: 30 })] },
      [image('v1', { pushed: 25, pulled: 0 })],
      now,
    );
    expect(atRisk).toMatchObject([{ tag: 'v1', periodDays: 30, isRenewedByPull: false }]);
  }
});

test('the last so many: pushed, pulled, or either', () => {
  const images = [
    image('a', { pushed: 1, pulled: 9 }),
    image('b', { pushed: 2, pulled: 1 }),
    image('c', { pushed: 3, pulled: 2 }),
  ];
  expect(tagsAtRisk([rule('latestPushedK', { n: 2 })], images)).toEqual(['c']);
  expect(tagsAtRisk([rule('latestPulledN', { n: 2 })], images)).toEqual(['a']);
  expect(tagsAtRisk([rule('latestActiveK', { n: 2 })], images)).toEqual(['c']);
  expect(findAtRisk({ rules: [rule('latestPulledN', { n: 2 })] }, images, now).atRisk).toEqual([
    {
      repository: 'web',
      tag: 'a',
      digest: 'sha256:a',
      leftMs: 0,
      periodDays: undefined,
      isRenewedByPull: true,
      rule: 'the 2 last pulled',
    },
  ]);
});

test('are counted in each repository by itself', () => {
  const images = [image('a', { repository: 'one', pushed: 9 }), image('b', { repository: 'two', pushed: 1 })];
  expect(tagsAtRisk([rule('latestPushedK', { n: 1 })], images)).toEqual([]);
});

describe('several rules', () => {
  test('one that retains it is enough, the longest counts', () => {
    const rules = [rule('nDaysSinceLastPull', { n: 7 }), rule('latestPushedK', { n: 1 })];
    expect(tagsAtRisk(rules, [image('old', { pushed: 90 }), image('new', { pushed: 80 })])).toEqual(['old']);
    const two = [rule('nDaysSinceLastPull', { n: 3 }), rule('nDaysSinceLastPush', { n: 30 })];
    expect(findAtRisk({ rules: two }, [image('x', { pushed: 21, pulled: 0 })], now).atRisk).toMatchObject([
      { periodDays: 30, isRenewedByPull: false },
    ]);
  });

  test('where none retains it any more, the one that a pull renews is named', () => {
    const rules = [rule('nDaysSinceLastPush', { n: 30 }), rule('nDaysSinceLastPull', { n: 7 })];
    expect(findAtRisk({ rules }, [image('x')], now).atRisk).toMatchObject([
      { leftMs: 0, periodDays: 7, isRenewedByPull: true },
    ]);
  });

  test('one that is disabled does not exist', () => {
    expect(tagsAtRisk([rule('always', { disabled: true })], [image('x')])).toEqual([]);
    expect(tagsAtRisk([rule('always', { disabled: true }), rule('latestPushedK', { n: 0 })], [image('x')])).toEqual([
      'x',
    ]);
  });

  test('always is always', () => {
    expect(tagsAtRisk([rule('always')], [image('x')])).toEqual([]);
  });
});

describe('selectors', () => {
  test('a repository that no rule names is left alone, a tag that none names in one that is goes', () => {
    const rules = [
      rule('always', {
        repositories: [{ decoration: 'repoMatches', pattern: 'team/**' }],
        tags: [{ decoration: 'matches', pattern: 'v*' }],
      }),
    ];
    const images = [
      image('nightly', { repository: 'other' }),
      image('nightly', { repository: 'team/a/b' }),
      image('v1', { repository: 'team/a/b' }),
    ];
    expect(findAtRisk({ rules }, images, now).atRisk).toMatchObject([
      { repository: 'team/a/b', tag: 'nightly', leftMs: 0, rule: 'no rule names it', isRenewedByPull: false },
    ]);
  });

  test('excludes, braces and the empty pattern', () => {
    const excluding = rule('always', { tags: [{ decoration: 'excludes', pattern: '{dev,test}-*' }] });
    expect(tagsAtRisk([excluding], [image('dev-1'), image('test-1'), image('v1')])).toEqual(['dev-1', 'test-1']);
    const others = rule('always', { repositories: [{ decoration: 'repoExcludes', pattern: 'web' }] });
    expect(
      tagsAtRisk([others, rule('latestPushedK', { n: 0 })], [image('x'), image('y', { repository: 'api' })]),
    ).toEqual(['x']);
    expect(tagsAtRisk([rule('always', { tags: [{ decoration: 'matches', pattern: '' }] })], [image('x')])).toEqual([]);
  });

  test('all tags of an artifact live and die together', () => {
    const rules = [rule('always', { tags: [{ decoration: 'matches', pattern: 'keep' }] })];
    expect(tagsAtRisk(rules, [image('keep+other'), image('third+fourth')])).toEqual(['fourth', 'third']);
  });

  test('an untagged artifact takes a place among the last pushed', () => {
    const untagged: RetainableArtifact = { ...image('x', { pushed: 1 }), tags: [] };
    expect(tagsAtRisk([rule('latestPushedK', { n: 1 })], [untagged, image('v1', { pushed: 2 })])).toEqual(['v1']);
  });
});

test('what an unknown rule matches is not called at risk, and the rule is named', () => {
  const rules = [
    rule('likedByCats', { tags: [{ decoration: 'matches', pattern: 'v*' }] }),
    rule('nDaysSinceLastPull', { n: 7 }),
  ];
  const outlook = findAtRisk({ rules }, [image('v1'), image('w1')], now);
  expect(outlook.unknownTemplates).toEqual(['likedByCats']);
  expect(outlook.atRisk.map(({ tag }) => tag)).toEqual(['w1']);
});

test('no rules delete nothing', () => {
  expect(findAtRisk({ rules: [] }, [image('x')], now)).toEqual({ atRisk: [], unknownTemplates: [] });
});
