import { appendFileSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfigurationFile, watchConfigurationFile } from '../../../agent/config/file-source.ts';

let folder: string;
let file: string;
let stop: AbortController;
let seen: string[];
let watching: Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-config-'));
  file = join(folder, 'config.yaml');
  stop = new AbortController();
  seen = [];
  watching = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await watching;
  await rm(folder, { recursive: true });
});

/** Sees a configuration as its concurrency, and mistakes as their rules. */
function watch(path = file): void {
  watching = watchConfigurationFile(
    path,
    {
      onConfiguration: ({ prefetch }) => seen.push(`${prefetch.concurrency}`),
      onMistakes: (mistakes) => seen.push(mistakes.map(({ rule }) => rule).join()),
    },
    stop.signal,
  );
}

const concurrency = (count: number | string): string => `prefetch: { concurrency: ${count} }\n`;
const within = (count: number): Promise<void> =>
  vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(count), { timeout: 1000, interval: 5 });

test('the first look tells what the file holds', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  expect(seen).toEqual(['3']);
});

test('what is probably not meant comes with the configuration', async () => {
  await writeFile(file, 'prune: { keep: ["*"] }\n');
  const warned = new Promise<readonly string[]>((resolve) => {
    const onConfiguration = (_: unknown, warnings: readonly { readonly path: string }[]) =>
      resolve(warnings.map(({ path }) => path));
    watching = watchConfigurationFile(file, { onConfiguration, onMistakes: () => {} }, stop.signal);
  });
  expect(await warned).toEqual(['prune.keep[0]']);
});

test('an edit in place takes effect within a second', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await writeFile(file, concurrency(4));
  await within(2);
  await truncate(file);
  await appendFile(file, concurrency(5));
  await within(3);
  expect(seen).toEqual(['3', '4', '5']);
});

test('a rename over the file takes effect, and the file that is then there is watched', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  for (const count of [4, 5]) {
    await writeFile(join(folder, 'new'), concurrency(count));
    await rename(join(folder, 'new'), file);
    await within(count - 2);
  }
  await writeFile(file, concurrency(6));
  await within(4);
  expect(seen).toEqual(['3', '4', '5', '6']);
});

test('an editor that moves the file away before it writes a new one causes no gap', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await rename(file, join(folder, 'config.yaml~'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await writeFile(file, concurrency(4));
  await within(2);
  expect(seen).toEqual(['3', '4']);
});

test('the links of a mounted ConfigMap are followed when they are swapped', async () => {
  const publish = async (version: string, text: string): Promise<void> => {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, 'config.yaml'), text);
    await symlink(version, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  await publish('..1', concurrency(1));
  await symlink('..data/config.yaml', file);
  watch();
  await within(1);
  await publish('..2', concurrency(2));
  await rm(join(folder, '..1'), { recursive: true });
  await within(2);
  await publish('..3', concurrency(3));
  await within(3);
  expect(seen).toEqual(['1', '2', '3']);
});

test('a link to a file in another folder is watched where the file is', async () => {
  await mkdir(join(folder, 'elsewhere'));
  const target = join(folder, 'elsewhere', 'real.yaml');
  await writeFile(target, concurrency(1));
  await symlink(target, file);
  watch();
  await within(1);
  await writeFile(join(folder, 'elsewhere', 'new'), concurrency(2));
  await rename(join(folder, 'elsewhere', 'new'), target);
  await within(2);
  expect(seen).toEqual(['1', '2']);
});

test('a file that is written in several steps is read when it is whole', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  writeFileSync(file, 'prefetch:\n');
  const parts = ['  dryRun: false\n', '  enabled: true\n', '  stallTimeout: 1m\n', '  concurrency: 1', '4\n'];
  for (const part of parts) {
    // Each step leaves valid YAML behind, and comes before the file counts as written.
    await new Promise((resolve) => setTimeout(resolve, 10));
    appendFileSync(file, part);
  }
  await within(2);
  expect(seen).toEqual(['3', '14']);
});

test('an empty file is a configuration that wants nothing, but not at the moment in which it is emptied', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await truncate(file);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(seen).toEqual(['3']);
  await within(2);
  expect(seen).toEqual(['3', 'undefined']);
});

test('mistakes are told, and so is that they are gone, also when the text is the former one', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await writeFile(file, concurrency('many'));
  await within(2);
  await writeFile(file, concurrency(3));
  await within(3);
  expect(seen).toEqual(['3', 'must be a whole number from 1 to 16', '3']);
});

test('what does not change the content is not told', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await writeFile(file, concurrency(3));
  await writeFile(join(folder, 'other.yaml'), concurrency(9));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen).toEqual(['3']);
});

test('a file that is not there is a mistake until it appears, with its folder', async () => {
  const late = join(folder, 'late', 'config.yaml');
  watch(late);
  await within(1);
  await mkdir(join(folder, 'late'));
  await writeFile(late, concurrency(3));
  await vi.waitFor(() => expect(seen).toHaveLength(2), { timeout: 2000, interval: 5 });
  expect(seen).toEqual(['the file does not exist', '3']);
});

test('a file that goes away is told, after a moment', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  await unlink(file);
  await within(2);
  expect(seen).toEqual(['3', 'the file does not exist']);
});

test('watching ends soon after the signal', async () => {
  await writeFile(file, concurrency(3));
  watch();
  await within(1);
  stop.abort();
  await watching;
  await writeFile(file, concurrency(4));
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(seen).toEqual(['3']);
});

test('what a handler throws ends the watching', async () => {
  await writeFile(file, concurrency(3));
  const onConfiguration = (): never => {
    throw new Error('broken');
  };
  const result = watchConfigurationFile(file, { onConfiguration, onMistakes: () => {} }, stop.signal);
  await expect(result).rejects.toThrow('broken');
});

test.each([
  ['missing', async () => {}, 'the file does not exist'],
  ['a folder', () => mkdir(file), 'the file cannot be used: it is a folder'],
  ['not UTF-8', () => writeFile(file, Buffer.from([0xc3, 0x28])), 'the file cannot be used: it is not UTF-8 text'],
  [
    'too large',
    () => writeFile(file, '#'.repeat(256 * 1024 + 1)),
    'the file cannot be used: it has more than 262144 bytes',
  ],
] as const)('loading once: a file that is %s is a mistake', async (_, prepare, rule) => {
  await prepare();
  const loaded = await loadConfigurationFile(file);
  expect(loaded).toEqual({
    ok: false,
    source: file,
    mistakes: [{ path: '', value: undefined, rule, line: undefined }],
  });
});

test('loading once: a good file is the configuration', async () => {
  await writeFile(file, concurrency(3));
  expect(await loadConfigurationFile(file)).toMatchObject({
    ok: true,
    configuration: { prefetch: { concurrency: 3 } },
  });
});
