import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createResolutionsReader, createResolutionsStore } from '../../../agent/work/resolutions-store.ts';
import { sampleDigest } from '../../fakes/resolutions.ts';
import {
  digestOf,
  foreign,
  intervalMs,
  member,
  minuteMs,
  published,
  ResolutionsWorld,
  sampleNodeConfiguration,
  toConfigMaps,
} from './resolutions-world.ts';

const world = new ResolutionsWorld();
let folder: string;
const inFolder = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stv-u-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('what counted is known to the next life of the agent, and nothing that this node does not ask for', async () => {
  const node = world.create();
  await node.load(createResolutionsStore(folder, silentLogger));
  node.setConfiguration(sampleNodeConfiguration());
  node.setLabels({});
  node.setPublished(toConfigMaps(published));
  await node.flush();
  const text = await readFile(inFolder('resolved.json'), 'utf8');
  expect(text).not.toContain(foreign);
  world.leadership = { state: 'lost', resolvedAt: undefined };
  const next = world.create();
  next.setConfiguration(sampleNodeConfiguration());
  next.setLabels({});
  await next.load(createResolutionsReader(folder, silentLogger));
  expect(digestOf(next, member)).toBe(sampleDigest('b'));
  expect(next.origin).toMatchObject({ by: 'coordinator', at: expect.any(Number) });
});

test('a torn file is set aside; a newer minor version is read', async () => {
  const store = createResolutionsStore(folder, silentLogger);
  await store.save({ resolutions: published, resolvedAt: 1_000 });
  const text = await readFile(inFolder('resolved.json'), 'utf8');
  await writeFile(inFolder('resolved.json'), text.replace('"1.0"', '"1.9"'));
  expect(await store.load()).toEqual({ resolutions: published, resolvedAt: 1_000 });
  await writeFile(inFolder('resolved.json'), text.slice(0, -20));
  expect(await createResolutionsReader(folder, silentLogger).load()).toBeUndefined();
  expect(await store.load()).toBeUndefined();
  expect(await readdir(folder)).toEqual([expect.stringMatching(/^resolved\.json\.unreadable-/)]);
});

test('a node that nothing is resolved for writes nothing; the same found again soon is not written again', async () => {
  const quiet = new ResolutionsWorld();
  const node = quiet.create();
  await node.load(createResolutionsStore(folder, silentLogger));
  node.setConfiguration(sampleNodeConfiguration());
  node.setLabels({});
  await node.flush();
  expect(await readdir(folder)).toEqual([]);
  node.setPublished(toConfigMaps(published));
  await node.flush();
  const written = await readFile(inFolder('resolved.json'), 'utf8');
  quiet.leadership = { state: 'led', resolvedAt: Date.now() + minuteMs };
  node.setPublished(toConfigMaps(published));
  await node.flush();
  expect(await readFile(inFolder('resolved.json'), 'utf8')).toBe(written);
  quiet.leadership = { state: 'led', resolvedAt: Date.now() + intervalMs + minuteMs };
  node.setPublished(toConfigMaps(published));
  await node.flush();
  expect(await readFile(inFolder('resolved.json'), 'utf8')).not.toBe(written);
});
