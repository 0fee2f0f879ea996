import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { type Ledger, parseLedger } from '../../../agent/core/ledger.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { createLedgerReader, createLedgerStore } from '../../../agent/work/ledger-store.ts';

const savingProcess = new URL('./ledger-saver.ts', import.meta.url).pathname;
const kills = Number(process.env['STEVEDORE_LEDGER_KILLS'] ?? 10);

let folder: string;
const inFolder = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-ledger-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function sample(watchMs: number): Ledger {
  return {
    usage: { watchMs, records: new Map() },
    seenUntil: 2_000,
    trackedSince: 1_000,
    ageRunAt: undefined,
    removal: undefined,
    leftovers: new Map(),
  };
}

/** Collects what is said as an error. */
function listeningLogger(): { readonly log: typeof silentLogger; readonly said: object[] } {
  const said: object[] = [];
  return { log: { ...silentLogger, error: (fields: object) => said.push(fields) }, said };
}

describe('the ledger on disk', () => {
  test('is read as it was saved, by another process too, for its owner alone', async () => {
    const store = createLedgerStore(folder, silentLogger);
    expect(await store.load()).toBeUndefined();
    await store.save(sample(1));
    await store.save(sample(2));
    expect(await createLedgerStore(folder, silentLogger).load()).toEqual(sample(2));
    expect(await createLedgerReader(folder).load()).toEqual(sample(2));
    expect((await stat(inFolder('ledger.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['ledger.json']);
  });

  test('takes away what killed writers left, and nothing else', async () => {
    for (const name of ['ledger.json.123', 'ledger.json.4094967295', 'ledger.json.old', 'last-good.json.1', 'lock']) {
      await writeFile(inFolder(name), 'x');
    }
    await createLedgerStore(folder, silentLogger).load();
    expect((await readdir(folder)).toSorted()).toEqual(['last-good.json.1', 'ledger.json.old', 'lock']);
  });

  test('is set aside under another name when it cannot be read, and said; then there is none', async () => {
    const torn = '{"format":"stevedore-ledger","vers';
    await writeFile(inFolder('ledger.json'), torn);
    const { log, said } = listeningLogger();
    const store = createLedgerStore(folder, log);
    expect(await store.load()).toBeUndefined();
    const [aside = '', ...others] = await readdir(folder);
    expect(others).toEqual([]);
    expect(aside).toMatch(/^ledger\.json\.unreadable-\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z$/);
    expect(await readFile(inFolder(aside), 'utf8')).toBe(torn);
    expect(said).toMatchObject([{ ledger: inFolder('ledger.json'), keptAs: inFolder(aside) }]);
    expect(await store.load()).toBeUndefined();
    expect(said).toHaveLength(1);
  });

  test('is left where it is by whoever only looks, and that is told', async () => {
    await writeFile(inFolder('ledger.json'), 'torn');
    const reader = createLedgerReader(folder);
    await expect(reader.load()).rejects.toThrow(/^the usage ledger .*ledger\.json cannot be read: /);
    await reader.save(sample(1));
    expect(await readFile(inFolder('ledger.json'), 'utf8')).toBe('torn');
  });

  test('of a folder that is not there is none for whoever only looks', async () => {
    expect(await createLedgerReader(inFolder('nowhere')).load()).toBeUndefined();
  });
});

describe('a folder that cannot be written', () => {
  test('makes saving a failure, leaves what was saved, and is written again when it can be', async () => {
    const store = createLedgerStore(folder, silentLogger);
    await store.save(sample(1));
    // A file in place of the folder refuses root as well.
    await rename(folder, `${folder}-away`);
    await writeFile(folder, '');
    const failure = await store.save(sample(2)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure).toMatchObject({ code: 'other', message: expect.stringContaining('cannot be written') });
    await rm(folder);
    await rename(`${folder}-away`, folder);
    expect(await store.load()).toEqual(sample(1));
    await store.save(sample(3));
    expect(await store.load()).toEqual(sample(3));
    expect(await readdir(folder)).toEqual(['ledger.json']);
  });

  test('so does a folder in place of the file, and no temporary file stays', async () => {
    await mkdir(inFolder('ledger.json/full'), { recursive: true });
    const store = createLedgerStore(folder, silentLogger);
    await expect(store.load()).rejects.toThrow(/cannot be read/);
    await expect(store.save(sample(1))).rejects.toThrow(/cannot be written/);
    expect(await readdir(folder)).toEqual(['ledger.json']);
  });
});

test(`a writer that is killed at any moment leaves a whole ledger, ${kills} times`, { timeout: 120_000 }, async () => {
  let last = 0;
  let leftBehind = 0;
  for (let run = 0; run < kills; run += 1) {
    const writer = spawn(process.execPath, [savingProcess, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(writer.stdout, 'data');
    await new Promise((resolve) => {
      setTimeout(resolve, Math.random() * 20);
    });
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const parsed = parseLedger(await readFile(inFolder('ledger.json'), 'utf8'));
    if (!parsed.ok) throw new Error(`after kill ${run}: ${parsed.why}`);
    expect(parsed.ledger.usage.watchMs).toBeGreaterThan(last);
    last = parsed.ledger.usage.watchMs;
    leftBehind += (await readdir(folder)).length - 1;
    // The next writer goes on from what it finds.
    expect((await createLedgerStore(folder, silentLogger).load())?.usage.watchMs).toBe(last);
    expect(await readdir(folder)).toEqual(['ledger.json']);
  }
  // Otherwise no kill ever met a write.
  if (kills >= 50) expect(leftBehind).toBeGreaterThan(0);
});
