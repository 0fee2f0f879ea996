import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ImageSet } from '../../agent/core/configuration.ts';
import { type PlanInput, toPlanDocument } from '../../agent/core/plan-document.ts';
import { defaultPrefetch } from '../fakes/default-prefetch.ts';
import { samplePrune, unplannedPrune } from './prune-plan-sample.ts';

const at = Date.UTC(2026, 0, 2, 3, 4, 5);

function imageSet(name: string, images: readonly string[], more: Partial<ImageSet> = {}): ImageSet {
  return {
    name,
    images,
    patterns: [],
    nodeSelector: { matchLabels: {}, matchExpressions: [] },
    credentials: [],
    priority: 0,
    gate: false,
    pullPolicy: 'IfNotPresent',
    refreshEveryMs: 1_800_000,
    window: undefined,
    ...more,
  };
}

const prefetch = defaultPrefetch;

/** An image in every list, one of them in two sets, and one with everything unknown. */
const full: PlanInput = {
  node: { name: 'gpu-1', labels: { accelerator: 'nvidia' } },
  runtime: {
    kind: 'containerd',
    name: 'containerd',
    version: '1.6.20',
    imageStore: 'containerd',
    snapshotter: 'overlayfs',
  },
  configuration: {
    prefetch,
    imageSets: [
      imageSet('gpu', ['r/a:1', 'r/b:1', 'r/c:1'], { priority: 100, gate: true, source: 'configmap stevedore/team-a' }),
      imageSet('base', ['r/b:1', 'r/d:1', 'r/e:1']),
      imageSet('edge', ['r/f:1']),
    ],
  },
  hold: { reason: 'drain', message: 'the node is cordoned: spec.unschedulable is true' },
  plan: {
    at,
    pulls: [
      {
        reference: 'r/a:1',
        imageSets: ['gpu'],
        priority: 100,
        gate: true,
        reason: 'absent',
        state: 'next',
        digest: `sha256:${'a'.repeat(64)}`,
        downloadBytes: 1000,
        unpackedBytes: 2500,
      },
      {
        reference: 'r/e:1',
        imageSets: ['base'],
        priority: 0,
        gate: false,
        reason: 'moved',
        state: 'queued',
        digest: undefined,
        downloadBytes: undefined,
        unpackedBytes: undefined,
      },
    ],
    waiting: [
      {
        reference: 'r/c:1',
        imageSets: ['gpu'],
        reason: 'backoff',
        message: 'connection refused',
        until: at + 60_000,
        failure: 'network',
      },
    ],
    present: [{ reference: 'r/b:1', imageSets: ['gpu', 'base'], imageId: 'sha256:1', sizeBytes: 77 }],
    refused: [
      {
        reference: 'r/d:1',
        imageSets: ['base'],
        code: 'policy',
        detail: 'not_allowed',
        message: 'prefetch.allow does not match it',
      },
    ],
    unselected: [{ imageSet: 'edge', message: 'zone=edge: the node has no label zone' }],
  },
  prune: { ...samplePrune(at), notes: ['age pruning waits'] },
};

const empty: PlanInput = {
  node: { name: 'n', labels: {} },
  runtime: undefined,
  configuration: { prefetch: { ...prefetch, enabled: false, dryRun: true }, imageSets: [] },
  plan: { at, pulls: [], waiting: [], present: [], refused: [], unselected: [] },
  prune: unplannedPrune,
};

/** A node without images, and with every switch off. */
const bare: PlanInput = {
  ...empty,
  prune: {
    enabled: false,
    dryRun: true,
    notes: [],
    leftovers: [],
    plan: { ...samplePrune(at).plan, images: [], reclaimableBytes: 0 },
  },
};

type JsonSchema = { [key: string]: unknown };

async function readSchema(): Promise<JsonSchema> {
  const text = await readFile(new URL('../../agent/core/plan.schema.json', import.meta.url), 'utf8');
  return JSON.parse(text) as JsonSchema;
}

/** The same schema, but an object may only have the keys that it lists: so that no key goes undocumented. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner ? { additionalProperties: false, ...inner } : inner;
}

describe('the plan document', () => {
  it.each([
    ['full', full],
    ['empty', empty],
    ['bare', bare],
  ])('meets its schema, with no key that the schema does not list: %s', async (_name, input) => {
    const schema = await readSchema();
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    const written: unknown = JSON.parse(JSON.stringify(toPlanDocument(input)));
    for (const form of [schema, closed(schema) as JsonSchema]) {
      expect(z.fromJSONSchema(form).safeParse(written).error).toBeUndefined();
    }
  });

  it('says what on the node holds pulls back, also when nothing waits', () => {
    const hold = { reason: 'pause', message: 'the node has the annotation stevedore.dev/pause: all' } as const;
    expect(toPlanDocument({ ...empty, hold }).prefetch).toEqual({ enabled: false, dryRun: true, hold });
    expect(toPlanDocument(empty).prefetch).toEqual({ enabled: false, dryRun: true });
  });

  it('has a schema that refuses what is not a plan', async () => {
    const document = toPlanDocument(full);
    const [image] = document.prune?.images ?? [];
    const prunes = (more: object): object => ({
      ...document,
      prune: { ...document.prune, images: [{ ...image, ...more }] },
    });
    const schema = z.fromJSONSchema(await readSchema());
    for (const broken of [
      { ...document, version: 2 },
      { ...document, generatedAt: 'yesterday' },
      { ...document, pulls: undefined },
      { ...document, runtime: null },
      { ...document, waiting: [{ ...document.waiting[0], reason: 'tired' }] },
      { ...document, pulls: [{ ...document.pulls[0], downloadBytes: '1 kB' }] },
      { ...document, prune: null },
      prunes({ decision: { kind: 'keep', reason: 'age' } }),
      prunes({ decision: { kind: 'remove', reason: 'in_use' } }),
      prunes({ freesBytes: undefined }),
      prunes({ lastUsedAt: '9d ago' }),
      prunes({ lastUsedFrom: 'built' }),
    ]) {
      expect(schema.safeParse(broken).success).toBe(false);
    }
    expect(schema.safeParse(prunes({})).success).toBe(true);
  });

  it('gives bytes as numbers, times as RFC 3339, and leaves out what is not known', () => {
    const { generatedAt, pulls, waiting, runtime } = toPlanDocument(full);
    expect(generatedAt).toBe('2026-01-02T03:04:05.000Z');
    expect(pulls[0]).toMatchObject({ downloadBytes: 1000, unpackedBytes: 2500 });
    expect(Object.keys(pulls[1] ?? {})).toEqual(['reference', 'imageSets', 'priority', 'gate', 'reason', 'state']);
    expect(waiting[0]).toMatchObject({ until: '2026-01-02T03:05:05.000Z', failure: 'network' });
    expect(runtime?.version).toBe('1.6.20');
    expect(toPlanDocument(empty)).not.toHaveProperty('runtime');
    expect(toPlanDocument(empty)).not.toHaveProperty('prune');
  });

  it('says of every set whether and why it is selected, and what of it is here', () => {
    expect(toPlanDocument(full).imageSets).toEqual([
      {
        name: 'gpu',
        source: 'configmap stevedore/team-a',
        selected: true,
        priority: 100,
        gate: true,
        desired: 3,
        present: 1,
      },
      { name: 'base', selected: true, priority: 0, gate: false, desired: 3, present: 1 },
      {
        name: 'edge',
        selected: false,
        message: 'zone=edge: the node has no label zone',
        priority: 0,
        gate: false,
        desired: 0,
        present: 0,
      },
    ]);
  });

  it('counts an image of two sets once, and sums only sizes that are known', () => {
    expect(toPlanDocument(full).totals).toEqual({
      desired: 5,
      pulls: 2,
      waiting: 1,
      present: 1,
      refused: 1,
      downloadBytes: 1000,
      unpackedBytes: 2500,
      unknownSizes: 1,
    });
  });

  it('shows the off switches', () => {
    expect(toPlanDocument(empty).prefetch).toEqual({ enabled: false, dryRun: true });
    expect(toPlanDocument(bare).prune).toMatchObject({ enabled: false, dryRun: true });
  });
});
