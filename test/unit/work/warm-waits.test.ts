import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FailureCode, FailureDetail } from '../../../agent/core/failure.ts';
import type { ResolvedFailure } from '../../../agent/core/resolution.ts';
import type { NodeResolutions } from '../../../agent/work/node-resolutions.ts';
import { sampleDigest } from '../../fakes/resolutions.ts';
import { sampleConfiguration } from '../../fakes/samples.ts';
import { minuteMs, ResolutionsWorld, tag } from './resolutions-world.ts';

let world: ResolutionsWorld;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 21) });
  world = new ResolutionsWorld();
});

afterEach(() => {
  world.stop();
  vi.useRealTimers();
});

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('pulls wait', () => {
  const wanted = {
    reference: tag,
    pullReference: tag,
    imageSets: ['s'],
    priority: 0,
    gate: false,
    refreshEveryMs: undefined,
    windows: undefined,
    credentials: [],
    resolved: undefined,
    isResolvable: true,
  };
  const harbor = {
    host: 'harbor.example',
    harbor: true,
    plainHTTP: false,
    insecureSkipVerify: false,
    caFile: undefined,
    tokenHosts: [],
  };
  const child = { platform: 'linux/amd64', digest: sampleDigest('1'), imageId: sampleDigest('2'), sizeBytes: 1 };
  const cold = (digest: string) => ({
    ...wanted,
    resolved: {
      digest: sampleDigest('a'),
      child: { ...child, digest, warm: 'cold' as const },
      isProxied: true,
      refusal: undefined,
    },
  });

  const childless = (more: { digest?: string; isProxied?: boolean; failure?: ResolvedFailure }) => ({
    ...wanted,
    resolved: { digest: undefined, child: undefined, isProxied: true, refusal: undefined, ...more },
  });
  const failed = (code: FailureCode, detail?: FailureDetail): ResolvedFailure => ({
    code,
    message: 'in its words',
    ...(detail === undefined ? {} : { detail }),
  });

  const startWithHarbor = (): NodeResolutions => world.start(0, { registries: [harbor] });
  const untilMs = (node: NodeResolutions, image: Parameters<NodeResolutions['warmWaits']>[0][number]) => {
    const until = node.warmWaits([image]).get(tag)?.until;
    return until === undefined ? undefined : until - Date.now();
  };

  test('a minute for what nobody has resolved yet, from when it was first seen', async () => {
    const node = startWithHarbor();
    expect(untilMs(node, wanted)).toBe(minuteMs);
    await pass(20_000);
    expect(untilMs(node, wanted)).toBe(40_000);
  });

  test('until the deadline for what is cold, counted anew for another child', async () => {
    const node = startWithHarbor();
    const deadlineMs = 30 * minuteMs;
    expect(untilMs(node, cold(sampleDigest('1')))).toBe(deadlineMs);
    await pass(minuteMs);
    expect(untilMs(node, cold(sampleDigest('1')))).toBe(deadlineMs - minuteMs);
    expect(untilMs(node, cold(sampleDigest('3')))).toBe(deadlineMs);
  });

  test.each([
    ['back', -365],
    ['forward', 365],
  ])('as long as before when the clock is set %s a year meanwhile', async (_, days) => {
    const node = startWithHarbor();
    node.warmWaits([cold(sampleDigest('1'))]);
    await pass(minuteMs);
    vi.setSystemTime(Date.now() + days * 86_400_000);
    expect(untilMs(node, cold(sampleDigest('1')))).toBe(29 * minuteMs);
    await pass(30 * minuteMs);
    expect(untilMs(node, cold(sampleDigest('1')))).toBe(-minuteMs);
  });

  test('until the leader can have seen the first node of a platform', async () => {
    const node = startWithHarbor();
    const image = childless({ digest: sampleDigest('a') });
    expect(untilMs(node, image)).toBe(6 * minuteMs);
    await pass(minuteMs);
    expect(untilMs(node, image)).toBe(5 * minuteMs);
  });

  test.each([
    ['not_found', 'not_found_proxy'],
    ['upstream', 'upstream_unhealthy'],
    ['rate_limited', undefined],
    ['network', 'dns'],
    ['timeout', undefined],
  ] as const)('until the deadline while it cannot be resolved for %s', async (code, detail) => {
    const node = startWithHarbor();
    const image = childless({ failure: failed(code, detail) });
    expect(untilMs(node, image)).toBe(30 * minuteMs);
    expect(node.warmWaits([image]).get(tag)?.message).toContain('in its words');
    await pass(minuteMs);
    expect(untilMs(node, childless({ failure: failed('timeout') }))).toBe(29 * minuteMs);
  });

  test('no longer for failures that come and go', async () => {
    const node = startWithHarbor();
    const seen = { digest: sampleDigest('a') };
    for (let minutes = 0; minutes < 40; minutes += 2) {
      untilMs(node, childless({ ...seen, failure: failed('timeout') }));
      await pass(minuteMs);
      untilMs(node, childless(seen));
      await pass(minuteMs);
    }
    expect(untilMs(node, childless({ ...seen, failure: failed('timeout') }))).toBe(-10 * minuteMs);
  });

  test('a minute where nobody warms and it cannot be resolved', () => {
    const warm = { ...sampleConfiguration([]).warm, enabled: false };
    const node = world.start(0, { registries: [harbor], warm });
    expect(untilMs(node, childless({ failure: failed('timeout') }))).toBe(minuteMs);
  });

  test.each([
    ['of another registry', { ...wanted, reference: 'docker.io/library/a:1' }],
    ['that nobody resolves', { ...wanted, isResolvable: false }],
    ['that are warm', { ...wanted, resolved: { ...cold('x').resolved, child: { ...child, warm: 'warm' as const } } }],
    [
      'that were given up',
      { ...wanted, resolved: { ...cold('x').resolved, child: { ...child, warm: 'given_up' as const } } },
    ],
    ['of ordinary projects', { ...wanted, resolved: { ...cold('x').resolved, isProxied: false } }],
    ['that were never found', childless({ failure: failed('not_found') })],
    ['that the coordinator may not see', childless({ failure: failed('auth', 'auth_failed') })],
    ['without one for this platform', childless({ digest: sampleDigest('a'), failure: failed('no_platform') })],
    [
      'that an ordinary project lacks',
      childless({ isProxied: false, failure: failed('not_found', 'not_found_proxy') }),
    ],
    ['of ordinary projects without one for this platform', childless({ digest: sampleDigest('a'), isProxied: false })],
    [
      'of ordinary projects that were found before',
      childless({ digest: sampleDigest('a'), isProxied: false, failure: failed('timeout') }),
    ],
    [
      'that are known from before, whatever fails now',
      {
        ...wanted,
        resolved: { ...cold('x').resolved, child: { ...child, warm: 'warm' as const }, failure: failed('timeout') },
      },
    ],
  ])('not for images %s', (_, image) => {
    expect([...startWithHarbor().warmWaits([image])]).toEqual([]);
  });

  test('not where nobody leads, which is known some seconds after the start; the pulls are then looked at again', async () => {
    world.leadership = { state: 'lost', resolvedAt: undefined };
    const node = startWithHarbor();
    expect(untilMs(node, wanted)).toBe(minuteMs);
    await pass(30_000);
    expect(untilMs(node, wanted)).toBeUndefined();
    world.leadership = { state: 'led', resolvedAt: Date.now() };
    const before = world.ledChanges;
    await pass(10_000);
    expect(world.ledChanges).toBe(before + 1);
    world.leadership = { state: 'lost', resolvedAt: Date.now() };
    await pass(10_000);
    expect(world.ledChanges).toBe(before + 2);
    expect(untilMs(node, cold(sampleDigest('1')))).toBeUndefined();
  });
});
