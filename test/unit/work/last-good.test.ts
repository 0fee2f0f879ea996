import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LastGood, parseLastGood, toLastGoodText } from '../../../agent/core/last-good.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createLastGoodReader, createLastGoodStore } from '../../../agent/work/last-good.ts';

let folder: string;
let said: object[];
const inFolder = (name: string) => join(folder, name);
const log = { ...silentLogger, error: (fields: object) => said.push(fields) };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-last-good-'));
  said = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sample: LastGood = {
  savedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  nodeName: 'gpu-1',
  namespace: 'stevedore',
  main: { name: 'stevedore', uid: 'u1', createdAt: Date.UTC(2025, 0, 1), text: '# ünïcode\nimageSets: []\n' },
  teams: [{ name: 'team-a', uid: 'u2', createdAt: 0, text: '' }],
  node: {
    name: 'gpu-1',
    uid: 'u3',
    labels: { gpu: 'a', '1': 'b' },
    annotations: { 'stevedore.dev/pause': 'all' },
    taints: [
      { key: 'a', value: 'b', effect: 'NoSchedule' },
      { key: 'c', value: undefined, effect: 'NoExecute' },
    ],
    unschedulable: true,
    containerRuntimeVersion: 'containerd://2.1.5',
  },
};
const little: LastGood = { ...sample, main: undefined, teams: [], node: undefined };

describe('the last good configuration on disk', () => {
  test.each([
    ['all', sample],
    ['little', little],
    ['no runtime', { ...sample, node: { ...(sample.node ?? never()), containerRuntimeVersion: undefined } }],
  ])('is read as it was saved, for its owner alone: %s', async (_, lastGood) => {
    const store = createLastGoodStore(folder, log);
    expect(await store.load()).toBeUndefined();
    await store.save(little);
    await store.save(lastGood);
    expect(await createLastGoodStore(folder, log).load()).toEqual(lastGood);
    expect(await createLastGoodReader(folder, log).load()).toEqual(lastGood);
    expect((await stat(inFolder('last-good.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['last-good.json']);
    expect(said).toEqual([]);
  });

  test('is set aside where it is torn, which is said; then there is none', async () => {
    const torn = toLastGoodText(sample).slice(0, 200);
    await writeFile(inFolder('last-good.json'), torn);
    const store = createLastGoodStore(folder, log);
    expect(await store.load()).toBeUndefined();
    const [aside = '', ...others] = await readdir(folder);
    expect(others).toEqual([]);
    expect(await readFile(inFolder(aside), 'utf8')).toBe(torn);
    expect(said).toMatchObject([{ file: inFolder('last-good.json'), keptAs: inFolder(aside) }]);
    await store.save(sample);
    expect(await store.load()).toEqual(sample);
  });

  test('is left where it is by whoever only looks', async () => {
    await writeFile(inFolder('last-good.json'), 'torn');
    await writeFile(inFolder('last-good.json.123'), '');
    const reader = createLastGoodReader(folder, log);
    expect(await reader.load()).toBeUndefined();
    await reader.save(sample);
    expect(await readFile(inFolder('last-good.json'), 'utf8')).toBe('torn');
    expect(await readdir(folder)).toHaveLength(2);
    expect(said).toHaveLength(1);
    expect(await createLastGoodReader(inFolder('nowhere'), log).load()).toBeUndefined();
    expect(said).toHaveLength(1);
  });

  test('that cannot be read at all stops nobody; killed writers leave nothing', async () => {
    await mkdir(inFolder('last-good.json'));
    await writeFile(inFolder('last-good.json.123'), 'x');
    const store = createLastGoodStore(folder, log);
    expect(await store.load()).toBeUndefined();
    expect(said).toHaveLength(1);
    await expect(store.save(sample)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['last-good.json']);
  });
});

describe('as text', () => {
  const text = toLastGoodText(sample);

  test.each([
    ['a flipped letter', text.replace('gpu-1', 'gpu-2'), 'its checksum does not fit its content'],
    ['another file', text.replace('stevedore-last-good', 'stevedore-ledger'), 'it is not a last good configuration'],
    ['another major version', text.replace('"1.0"', '"2.0"'), 'its version 2.0 is not 1.x'],
    ['no map', '[]', 'the file is not a map'],
    ['nothing', '', 'JSON'],
  ])('%s is refused', (_, written, why) => {
    expect(parseLastGood(written)).toEqual({ ok: false, why: expect.stringContaining(why) });
  });

  test('a newer minor version is read', () => {
    expect(parseLastGood(text.replace('"1.0"', '"1.7"'))).toEqual({ ok: true, lastGood: sample });
  });
});

function never(): never {
  throw new Error('the sample has a node');
}
