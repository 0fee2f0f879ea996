import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createGateStore, type GateStore } from '../../../agent/work/gate-store.ts';

const record = { uid: 'u1', taintKey: 'example.com/gate', heldSince: 1_700_000_000_000 };
let folder: string;
let warnings: string[];
let store: GateStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-gate-'));
  warnings = [];
  const warn = (_: object, message: string): void => {
    warnings.push(message);
  };
  store = createGateStore(folder, { ...silentLogger, warn });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('what was saved is loaded again, and gone when it is removed, also twice', async () => {
  expect(await store.load()).toBeUndefined();
  await store.save(record);
  expect(await createGateStore(folder, silentLogger).load()).toEqual(record);
  await store.remove();
  await store.remove();
  expect(await store.load()).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
  expect(warnings).toEqual([]);
});

test('a torn file counts as none, and that is said', async () => {
  await store.save(record);
  const text = await readFile(join(folder, 'gate.json'), 'utf8');
  await writeFile(join(folder, 'gate.json'), text.slice(0, -10));
  expect(await store.load()).toBeUndefined();
  expect(warnings).toHaveLength(1);
});

test('a folder that cannot be written stops nothing', async () => {
  const lost = createGateStore(join(folder, 'missing'), silentLogger);
  await lost.save(record);
  expect(await lost.load()).toBeUndefined();
  await lost.remove();
});
