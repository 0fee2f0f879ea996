import { describe, expect, test } from 'vitest';
import { parseResolvedText, resolvedKey } from '../../../agent/core/resolved-document.ts';
import { ResolvedReader } from '../../../agent/core/resolved-reader.ts';
import { sampleDigest, sampleResolved } from '../../fakes/resolutions.ts';

const toText = (...records: readonly unknown[]) => JSON.stringify({ version: '1.0', records });
const good = sampleResolved('harbor.example/ml/a:1');
const bad = { ...good, digest: 'sha256:1' };
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('a text that somebody made to keep agents busy', () => {
  test('is left where too much of it cannot be read; what was read before counts', () => {
    const { images, dropped } = parseResolvedText(
      toText(good, ...times(5_000, bad), { ...good, reference: 'a.b/c:1' }),
    );
    expect([...images.keys()]).toEqual([good.reference]);
    expect(dropped).toBe(5_001);
  });

  test('has more records than fit into one that the coordinator writes', () => {
    const records = [...times(349_000, {}), good];
    expect(parseResolvedText(JSON.stringify({ version: '1.0', records }))).toMatchObject({
      dropped: 349_001,
      images: new Map(),
    });
  });

  test('never makes a pattern shorter: with members that are none, over and over, it is left out', () => {
    const pattern = (key: string, members: readonly unknown[]) => ({ key, members, excluded: [], excludedCount: 0 });
    const none = times(900, 'X');
    const { patterns } = parseResolvedText(
      toText(pattern('a', [good.reference, ...none]), pattern('b', [...none, good.reference]), pattern('c', [])),
    );
    expect([...patterns.keys()]).toEqual(['a']);
    expect(patterns.get('a')?.members).toEqual([good.reference]);
  });

  test('may be of a newer coordinator: records of another kind cost nothing', () => {
    const { images, dropped } = parseResolvedText(toText(...times(5_000, { project: 'ml' }), good));
    expect([...images.keys()]).toEqual([good.reference]);
    expect(dropped).toBe(5_000);
  });
});

describe('what is published', () => {
  const publish = (name: string, ...records: readonly unknown[]) => ({
    name,
    data: { [resolvedKey]: toText(...records) },
  });
  const other = sampleResolved('harbor.example/ml/b:1');
  const changed = { ...other, digest: sampleDigest('7') };

  test('is read once as long as it stays the same, whoever asks', () => {
    const reader = new ResolvedReader();
    const first = reader.read([publish('0', good), publish('1', other)]);
    expect([...first.images.values()]).toEqual([good, other]);
    expect(reader.read([publish('0', good), publish('1', other)])).toBe(first);
  });

  test('is read again where it changed, and only there', () => {
    const reader = new ResolvedReader();
    const before = reader.read([publish('0', good), publish('1', other)]);
    const after = reader.read([publish('0', good), publish('1', changed)]);
    expect(after.images.get(other.reference)).toEqual(changed);
    expect(after.images.get(good.reference)).toBe(before.images.get(good.reference));
  });

  test('counts no more when its ConfigMap is gone, and again when it is back', () => {
    const reader = new ResolvedReader();
    const both = [publish('0', good), publish('1', other)];
    reader.read(both);
    expect([...reader.read(both.slice(1)).images.keys()]).toEqual([other.reference]);
    expect(reader.read([{ name: '0', data: {} }, ...both.slice(1)]).images.size).toBe(1);
    expect(reader.read(both).images.size).toBe(2);
    expect(reader.read([]).images.size).toBe(0);
  });
});
