import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadLabels, parseLabels, watchLabels } from '../../agent/cluster/standalone.ts';
import type { Labels } from '../../agent/core/label-selector.ts';
import { formatMistakes } from '../../agent/core/mistake.ts';

let folder: string;
let file: string;
let stop: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-labels-'));
  file = join(folder, 'labels');
  stop = new AbortController();
});

afterEach(() => {
  stop.abort();
  return rm(folder, { recursive: true });
});

test('a labels file has one KEY=VALUE a line, comments and blank lines', () => {
  const text = '# the node\nzone=a\n\n  nvidia.com/gpu = h100 \r\nempty=\n';
  expect(parseLabels(text)).toEqual({ ok: true, labels: { zone: 'a', 'nvidia.com/gpu': 'h100', empty: '' } });
});

test('all mistakes come together, each with its line', () => {
  const parsed = parseLabels('zone=a\nzone\n-x=a\n# fine\na=b=c\nzone=b\n=x\n__proto__=x\n');
  expect(parsed.ok ? [] : formatMistakes(parsed.mistakes, 'labels').split('\n')).toEqual([
    'labels:2: "zone": must be KEY=VALUE',
    'labels:3: "-x=a": a label key must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit',
    'labels:5: "a=b=c": a label value must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit',
    'labels:6: "zone=b": the key is there already',
    'labels:7: "=x": a label key must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit',
    'labels:8: "__proto__=x": a label key must consist of A-Z a-z 0-9 - _ . and begin and end with a letter or digit',
  ]);
});

test('labels of the command line win over the file’s', async () => {
  await writeFile(file, 'zone=a\nrack=1\n');
  const loaded = await loadLabels({ labels: { zone: 'b' }, labelsFile: file });
  expect(loaded).toEqual({ ok: true, labels: { zone: 'b', rack: '1' } });
});

test('without a file the command line’s are all', async () => {
  expect(await loadLabels({ labels: { zone: 'b' }, labelsFile: undefined })).toEqual({
    ok: true,
    labels: { zone: 'b' },
  });
});

test('a labels file that is not there is a mistake', async () => {
  const loaded = await loadLabels({ labels: {}, labelsFile: file });
  expect(loaded).toMatchObject({ ok: false, mistakes: [{ rule: 'the file does not exist' }] });
});

test('an edit takes effect within a second, and an invalid one is told and changes nothing', async () => {
  const seen: (Labels | string)[] = [];
  const handlers = {
    onLabels: (labels: Labels) => seen.push(labels),
    onMistakes: ([first]: readonly { readonly rule: string }[]) => seen.push(first?.rule ?? ''),
  };
  const within = (count: number) => vi.waitFor(() => expect(seen).toHaveLength(count), { timeout: 1000, interval: 5 });
  await writeFile(file, 'zone=a\n');
  const watching = watchLabels({ labels: { own: 'x' }, labelsFile: file }, handlers, stop.signal);
  await within(1);
  await writeFile(file, 'zone=b\n');
  await within(2);
  await writeFile(file, 'zone\n');
  await within(3);
  await writeFile(join(folder, 'new'), 'zone=c\n');
  await rename(join(folder, 'new'), file);
  await within(4);
  stop.abort();
  await watching;
  expect(seen).toEqual([
    { own: 'x', zone: 'a' },
    { own: 'x', zone: 'b' },
    'must be KEY=VALUE',
    { own: 'x', zone: 'c' },
  ]);
});

test('without a file there is one answer, and the watch lasts until the signal', async () => {
  const seen: Labels[] = [];
  let over = false;
  const handlers = { onLabels: (labels: Labels) => seen.push(labels), onMistakes: () => {} };
  const watching = watchLabels({ labels: { zone: 'a' }, labelsFile: undefined }, handlers, stop.signal).then(() => {
    over = true;
  });
  await Promise.resolve();
  expect([seen, over]).toEqual([[{ zone: 'a' }], false]);
  stop.abort();
  await watching;
  expect(over).toBe(true);
});
