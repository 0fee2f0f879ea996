import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { toPlanText } from '../../../agent/commands/plan-text.ts';
import { toDesired } from '../../../agent/core/desired-images.ts';
import { type PlanInput, toPlanDocument } from '../../../agent/core/plan-document.ts';
import { defaultPrefetch } from '../../fakes/default-prefetch.ts';
import {
  sampleChild,
  sampleDigest,
  samplePattern,
  sampleResolutions,
  sampleResolved,
  sampleView,
} from '../../fakes/resolutions.ts';
import { sampleSet } from '../../fakes/samples.ts';
import { unplannedPrune } from '../prune-plan-sample.ts';
import { refusal } from './resolved-world.ts';

const at = Date.UTC(2026, 0, 2, 3, 4, 5);
const harbor = (name: string) => `harbor.example/${name}`;
const [a, b, c, d] = ['ml/a:1', 'ml/b:1', 'ml/c:1', 'ml/d:1'].map(harbor) as [string, string, string, string];

const found = samplePattern({
  tags: { match: 'v*', regex: 'v.', semver: '1', newest: 2, newestBy: 'version' },
  repository: 'a',
});
const failing = samplePattern({ project: 'ops' });
const unknown = samplePattern({ project: 'new' });
const failure = { code: 'auth', detail: 'forbidden', message: 'the robot lacks artifact:list' } as const;
const left = (index: number) => ({
  reference: harbor(`ml/a:old-${index}`),
  reason: 'older' as const,
  message: '2 newer ones are taken',
});

const set = sampleSet('models', [a, b, c, d], { patterns: [found, failing, unknown] });
const other = sampleSet('other', [], {
  patterns: [found],
  nodeSelector: { matchLabels: { gpu: 'true' }, matchExpressions: [] },
});
const child = sampleChild('linux/amd64', '2', { warm: 'cold' });
const resolutions = sampleResolutions(
  [
    sampleResolved(a, { isProxied: true, platforms: [child] }),
    sampleResolved(b, { refusal, platforms: [sampleChild('linux/amd64', '3')] }),
    sampleResolved(c, { refusal, digest: undefined, failure }),
  ],
  [
    [
      found,
      {
        members: [harbor('ml/a:v1'), 'harbor.example/evil/x:v1'],
        excluded: Array.from({ length: 60 }, (_, index) => left(index)),
        excludedCount: 345,
      },
    ],
    [failing, { members: [harbor('ops/x:1')], failure }],
  ],
);
const entry = { imageSets: ['models'] };

const input: PlanInput = {
  node: { name: 'n', labels: {} },
  runtime: undefined,
  configuration: { prefetch: defaultPrefetch, imageSets: [set, other] },
  plan: {
    at,
    pulls: [
      {
        ...entry,
        reference: d,
        priority: 0,
        gate: false,
        reason: 'absent',
        state: 'next',
        digest: undefined,
        downloadBytes: undefined,
        unpackedBytes: undefined,
      },
    ],
    waiting: [
      { ...entry, reference: a, reason: 'warming', message: '3 of 7 blobs', until: undefined, failure: undefined },
    ],
    present: [{ ...entry, reference: b, imageId: 'sha256:1', sizeBytes: 7, refusal }],
    refused: [{ ...entry, reference: c, ...refusal }],
    unselected: [{ imageSet: 'other', message: 'no label gpu' }],
  },
  resolution: {
    by: 'coordinator',
    at,
    desired: toDesired([set, other], {}, sampleView(resolutions)),
    resolutions,
    atRisk: [{ reference: a, project: 'ml', message: 'not pulled for 7 days' }],
  },
  prune: unplannedPrune,
};

describe('the plan document', () => {
  const document = toPlanDocument(input);

  test('says who resolved, and when, and which images are at risk', () => {
    expect(document.resolution).toEqual({
      resolvedBy: 'coordinator',
      resolvedAt: '2026-01-02T03:04:05.000Z',
      atRisk: [{ reference: a, project: 'ml', message: 'not pulled for 7 days' }],
    });
    const own = { by: 'self', at: undefined, desired: { images: [] }, resolutions } as const;
    expect(toPlanDocument({ ...input, resolution: own }).resolution).toEqual({ resolvedBy: 'self', atRisk: [] });
    expect(toPlanDocument({ ...input, resolution: undefined })).not.toHaveProperty('resolution');
  });

  test('says of every image what it was found to be', () => {
    expect(document.waiting[0]?.resolved).toEqual({
      digest: sampleDigest('a'),
      childDigest: child.digest,
      platform: 'linux/amd64',
      proxied: true,
      warm: 'cold',
    });
    expect(document.present[0]).toMatchObject({ refusal, resolved: { digest: sampleDigest('a'), proxied: false } });
    expect(document.present[0]?.resolved).not.toHaveProperty('warm');
    expect(document.refused[0]?.resolved).toEqual({ proxied: false, failure });
    expect(document.pulls[0]).not.toHaveProperty('resolved');
  });

  test('says of every pattern what it stands for, and what is left out and why: the first of it and how much', () => {
    const [first, second, third] = document.imageSets[0]?.patterns ?? [];
    expect(first).toMatchObject({
      repository: 'harbor.example/ml/a',
      tags: { match: 'v*', regex: 'v.', semver: '1', newest: 2 },
      resolved: true,
      images: [harbor('ml/a:v1')],
      excludedCount: 345,
    });
    expect(first?.excluded).toHaveLength(50);
    expect(first?.excluded[0]).toEqual(left(0));
    expect(second).toMatchObject({ resolved: true, images: [harbor('ops/x:1')], failure });
    expect(third).toMatchObject({ resolved: false, images: [], excluded: [], excludedCount: 0 });
    const bare = sampleSet('x', []);
    const without = { ...input, configuration: { ...input.configuration, imageSets: [bare] } };
    expect(toPlanDocument(without).imageSets[0]).not.toHaveProperty('patterns');
  });

  test('meets its schema, with no key that the schema does not list', async () => {
    const text = await readFile(new URL('../../../agent/core/plan.schema.json', import.meta.url), 'utf8');
    const schema = closed(JSON.parse(text)) as Parameters<typeof z.fromJSONSchema>[0];
    expect(z.fromJSONSchema(schema).safeParse(JSON.parse(JSON.stringify(document))).error).toBeUndefined();
  });
});

test('the plan says to people what was resolved, left out, refused and is at risk', () => {
  const text = toPlanText(toPlanDocument(input), undefined);
  expect(text).toContain('Node n, no runtime, resolved by the coordinator at 2026-01-02T03:04:05.000Z\n');
  expect(text).toContain(`Present, and refused by their registry:
  ${b}
    policy: its severity is Critical
`);
  expect(text).toContain(`Repositories:
  harbor.example/ml/a (match v*, regex v., semver 1, newest 2), set models: 1 image, 345 left out
    left out: harbor.example/ml/a:old-0: older: 2 newer ones are taken
    left out: harbor.example/ml/a:old-1: older: 2 newer ones are taken
    left out: harbor.example/ml/a:old-2: older: 2 newer ones are taken
    left out: harbor.example/ml/a:old-3: older: 2 newer ones are taken
    left out: harbor.example/ml/a:old-4: older: 2 newer ones are taken
    and 340 more
  harbor.example/ops/**, set models: 1 image, 0 left out
    auth: the robot lacks artifact:list
  harbor.example/new/**, set models: not resolved yet
`);
  expect(text).toContain(`At risk from Harbor's retention:
  ${a}
    not pulled for 7 days
`);
});

test('the plan says nothing of it where nothing is resolved', () => {
  const imageSets = [sampleSet('s', [a])];
  const without = { ...input, configuration: { ...input.configuration, imageSets }, resolution: undefined };
  const plan = { ...input.plan, present: [] };
  expect(toPlanText(toPlanDocument({ ...without, plan }), undefined)).not.toMatch(/resolved|Repositories|retention/);
});

/** The same schema, but an object may only have the keys that it lists. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner ? { additionalProperties: false, ...inner } : inner;
}
