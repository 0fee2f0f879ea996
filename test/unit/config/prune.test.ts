import { describe, expect, test } from 'vitest';
import { defaultPrune } from '../../fakes/default-prune.ts';
import { accepted, lines, refused } from './texts.ts';

const hourMs = 3_600_000;
const digest = `sha256:${'a1'.repeat(32)}`;

test.each([
  ['enabled: false', { enabled: false }],
  ['dryRun: true', { dryRun: true }],
  ['jitter: 0s', { jitterMs: 0 }],
  ['unusedFor: 30d', { unusedForMs: 720 * hourMs }],
  ['minimumAge: 0s', { minimumAgeMs: 0 }],
  ['spaceGrace: 90m', { spaceGraceMs: 1.5 * hourMs }],
  ['keepNewestPerRepository: 3', { keepNewestPerRepository: 3 }],
  ['keep: ["harbor.example.com/platform/*"]', { keep: [{ kind: 'glob', glob: 'harbor.example.com/platform/*' }] }],
  [`keep: ["${digest}"]`, { keep: [{ kind: 'digest', digest }] }],
  ['keep: [{ label: keep }]', { keep: [{ kind: 'label', key: 'keep', value: undefined }] }],
  ['keep: [{ label: a=b=c }]', { keep: [{ kind: 'label', key: 'a', value: 'b=c' }] }],
  ['keep: [{ label: a= }]', { keep: [{ kind: 'label', key: 'a', value: '' }] }],
])('prune: %s', (option, effect) => {
  expect(accepted(`prune: { ${option} }`).prune).toEqual({ ...defaultPrune, ...effect });
});

test('the schedule has a time zone of its own', () => {
  const { schedule } = accepted('prune: { schedule: "30 3 * * 6", timeZone: Europe/Berlin }').prune;
  expect(schedule).toMatchObject({
    cron: '30 3 * * 6',
    schedule: { minutes: [30], hours: [3], daysOfWeek: [6] },
    timeZone: 'Europe/Berlin',
  });
});

test.each([
  ['docker', 'stoppedContainers', 'stopped_container'],
  ['docker', 'buildCache', 'build_cache'],
  ['docker', 'networks', 'network'],
  ['docker', 'volumes', 'volume'],
  ['containerd', 'ingests', 'ingest'],
  ['containerd', 'snapshots', 'snapshot'],
  ['containerd', 'leases', 'lease'],
] as const)('%s.%s switches the removal of that kind alone on', (runtime, key, kind) => {
  expect(accepted(`prune: { ${runtime}: { ${key}: { enabled: true } } }`).prune.leftovers).toEqual({
    ...defaultPrune.leftovers,
    [kind]: { ...defaultPrune.leftovers[kind], enabled: true },
  });
  expect(accepted(`prune: { ${runtime}: { ${key}: { unusedFor: 3h } } }`).prune.leftovers[kind]).toEqual({
    enabled: false,
    unusedForMs: 3 * hourMs,
  });
});

describe('watermarks', () => {
  test('all as percentages, or all as free space', () => {
    expect(accepted('prune: { watermarks: { low: 50%, high: 60.5%, critical: 70% } }').prune.watermarks).toEqual({
      low: { kind: 'used', ratio: 0.5 },
      high: { kind: 'used', ratio: 0.605 },
      critical: { kind: 'used', ratio: 0.7 },
    });
    expect(accepted('prune: { watermarks: { low: 30Gi, high: 20Gi, critical: 10G } }').prune.watermarks).toEqual({
      low: { kind: 'free', bytes: 30 * 2 ** 30 },
      high: { kind: 'free', bytes: 20 * 2 ** 30 },
      critical: { kind: 'free', bytes: 10e9 },
    });
  });

  test('one percentage that fits the defaults of the others needs no others', () => {
    expect(accepted('prune: { watermarks: { high: 70% } }').prune.watermarks).toEqual({
      ...defaultPrune.watermarks,
      high: { kind: 'used', ratio: 0.7 },
    });
  });

  test.each([
    [
      'high: 20Gi',
      'high: "20Gi": all watermarks must be of one kind, but low is 65% by default and critical is 82% by default: write all three as free space, such as { low: 30Gi, high: 20Gi, critical: 10Gi }',
    ],
    [
      'low: 40Gi, high: 50%',
      'low: "40Gi": all watermarks must be of one kind, but high is 50% and critical is 82% by default: write all three as free space, such as { low: 40Gi, high: 20Gi, critical: 10Gi }',
    ],
    [
      'high: 60%',
      'high: "60%": must be above low, which is 65% by default: write all three, such as { low: 50%, high: 60%, critical: 67% }',
    ],
    [
      'high: 90%',
      'high: "90%": must be below critical, which is 82% by default: write all three, such as { low: 80%, high: 90%, critical: 95% }',
    ],
    [
      'critical: 70%',
      'critical: "70%": must be above high, which is 75% by default: write all three, such as { low: 53%, high: 63%, critical: 70% }',
    ],
    ['low: 70%, critical: 68%', 'critical: "68%": must be above high, which is 75% by default'],
    ['low: 75%, high: 75%', 'high: "75%": must be above low, which is 75%'],
    ['low: 20Gi, high: 30Gi, critical: 5Gi', 'high: "30Gi": must be less free space than low, which is 20Gi'],
    ['low: 20Gi, high: 10Gi, critical: 10Gi', 'critical: "10Gi": must be less free space than high, which is 10Gi'],
    ['high: 175%', 'high: "175%": must be above 0% and below 100%'],
    ['high: 100%', 'high: "100%": must be above 0% and below 100%'],
    ['low: 0%', 'low: "0%": must be above 0% and below 100%'],
    ['high: 75', 'high: "75": must be a used percentage such as 75% or free space such as 20Gi'],
    ['high: "75"', 'high: "75": must be a used percentage such as 75% or free space such as 20Gi'],
    ['high: -5%', 'high: "-5%": must be a used percentage such as 75% or free space such as 20Gi'],
    ['high: 0Gi', 'high: "0Gi": must be a used percentage such as 75% or free space such as 20Gi'],
  ])('%s', (written, mistake) => {
    expect(lines(refused(`prune: { watermarks: { ${written} } }`))).toEqual([
      `config.yaml:1: prune.watermarks.${mistake}`,
    ]);
  });

  test.each(['high: 20Gi', 'low: 1.3Gi', 'critical: 7G', 'high: 60%', 'low: 90%', 'critical: 3%', 'high: 99%'])(
    'what is said to be written in place of { %s } is right',
    (written) => {
      const example =
        /such as (\{.*\})/.exec(lines(refused(`prune: { watermarks: { ${written} } }`)).join())?.[1] ?? '';
      expect(example).toContain(written);
      expect(refused(`prune: { watermarks: ${example} }`)).toEqual([]);
    },
  );

  test('one that is none is told alone: nothing is known of how it stands to the others', () => {
    expect(refused('prune: { watermarks: { low: x, high: 60%, critical: 62% } }').map(({ path }) => path)).toEqual([
      'prune.watermarks.low',
    ]);
  });

  test('mistakes of order are told beside those of other options', () => {
    const text = 'prune:\n  unusedFor: 7\n  watermarks: { low: 90%, high: 80%, critical: 70% }\n';
    expect(refused(text).map(({ path }) => path)).toEqual([
      'prune.unusedFor',
      'prune.watermarks.high',
      'prune.watermarks.critical',
    ]);
  });
});

test.each([
  ['unusedFor: -1h', 'unusedFor', 'must not be negative'],
  ['minimumAge: -1s', 'minimumAge', 'must not be negative'],
  ['spaceGrace: 24', 'spaceGrace', 'must be a duration'],
  ['unusedFor: 11y', 'unusedFor', 'must be a duration'],
  ['unusedFor: 4000d', 'unusedFor', 'must be at most 3660d'],
  ['jitter: 25h', 'jitter', 'must be at most 1d'],
  ['schedule: "0 2 * *"', 'schedule', 'a cron line has 5 fields'],
  ['schedule: "0 0 30 2 *"', 'schedule', 'impossible day of month'],
  ['schedule: "0 2 L * *"', 'schedule', 'L, W and # are not supported'],
  ['timeZone: Mars/Base', 'timeZone', 'IANA'],
  ['keepNewestPerRepository: -1', 'keepNewestPerRepository', 'from 0'],
  ['keep: [platform/*]', 'keep[0]', 'begins with the registry host'],
  ['keep: ["sha256:12"]', 'keep[0]', '64 lower-case hex digits'],
  [`keep: ["sha512:${'a'.repeat(64)}"]`, 'keep[0]', '64 lower-case hex digits'],
  ['keep: [{ label: "" }]', 'keep[0].label', 'the key of an image label, or key=value'],
  ['keep: [{ label: "=b" }]', 'keep[0].label', 'the key of an image label, or key=value'],
  ['keep: [{}]', 'keep[0].label', 'is required'],
  ['keep: [{ labels: a }]', 'keep[0].labels', 'did you mean label?'],
  ['keep: [3]', 'keep[0]', 'must be a glob, a digest, or a map with the key label'],
  ['keep: x', 'keep', 'must be a list'],
  ['docker: { volumes: true }', 'docker.volumes', 'must be a map'],
  ['docker: { volume: {} }', 'docker.volume', 'did you mean volumes?'],
  ['docker: { images: {} }', 'docker.images', 'unknown key'],
  ['containerd: { leases: { unusedFor: -1h } }', 'containerd.leases.unusedFor', 'must not be negative'],
])('prune: { %s } is a mistake', (option, path, rule) => {
  const mistakes = refused(`prune: { ${option} }`).filter((mistake) => mistake.path === `prune.${path}`);
  expect(mistakes.map((mistake) => mistake.rule).join()).toContain(rule);
});
