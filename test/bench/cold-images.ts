/**
 * The cold set: 12 images that share bases, 62 blobs, about 900 MB compressed and 1,700 MB unpacked, one image larger than the rest
 * together. Files are cut out of this Node's own executable (code, text and tables, which gzip shrinks to a third) and out of
 * random bytes, so that gunzip and untar have what they have in real images.
 */

import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { type BuiltImage, type BuiltLayer, buildImage } from '../harness/images.ts';
import { pushImage } from '../harness/push.ts';
import { type TarEntry, toTar } from '../harness/tar.ts';
import type { BenchRegistry } from './registry.ts';
import type { BenchSettings } from './settings.ts';

/** Name → sizes of the layers in MB unpacked; a base's layers come first. */
const bases = {
  debian: [76],
  python: ['debian', 9, 34, 0.1],
  node: ['debian', 0.1, 92, 5],
  java: ['debian', 12, 104],
} as const;

const images = [
  { repository: 'platform/base', base: 'debian', layers: [1.5, 0.2] },
  { repository: 'platform/tools', base: 'debian', layers: [22, 7, 0.5] },
  { repository: 'web/proxy', base: 'debian', layers: [38, 0.2, 0.1, 0.1, 0.1] },
  { repository: 'web/frontend', base: 'node', layers: [0.1, 24, 9] },
  { repository: 'web/api', base: 'node', layers: [0.1, 48, 2] },
  { repository: 'data/etl', base: 'python', layers: [0.5, 56, 10, 0.3] },
  { repository: 'data/report', base: 'python', layers: [33, 4, 0.4] },
  { repository: 'ml/pytorch', base: 'python', layers: [12, 240, 560, 31, 4, 0.2] },
  { repository: 'ml/client', base: 'python', layers: [26, 13, 1] },
  { repository: 'shop/orders', base: 'java', layers: [0.2, 41, 5] },
  { repository: 'shop/billing', base: 'java', layers: [35, 7] },
  { repository: 'db/postgres', base: 'debian', layers: [6, 71, 3, 0.2, 0.1] },
] as const;

const biggestRepository = 'ml/pytorch';
/** Shuffled once; the same for all who pull in a given order. */
const listedOrder = [6, 2, 10, 4, 0, 8, 7, 11, 3, 9, 1, 5];

const megabyte = 1_000_000;
/** Share of the files whose bytes gzip cannot shrink. */
const randomShare = 0.29;
const mostFileBytes = 400_000;
const gzipLevel = 6;

export interface ColdSet extends ColdSetSizes {
  /** References in the fixed shuffled order. */
  readonly references: readonly string[];
  readonly biggest: string;
}

interface ColdSetSizes {
  readonly blobs: number;
  readonly compressedBytes: number;
  readonly unpackedBytes: number;
  readonly biggestBytes: number;
}

/** Builds the images and pushes them, where the registry's kept storage does not hold them already. */
export async function provideColdSet(registry: BenchRegistry, { scale, keptSet }: BenchSettings): Promise<ColdSet> {
  const file = keptSet === undefined ? undefined : join(keptSet, `set-${scale}-${process.version}.json`);
  const kept = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined);
  const sizes = kept === undefined ? await pushColdSet(registry, scale) : (JSON.parse(kept) as ColdSetSizes);
  if (file !== undefined) await writeFile(file, JSON.stringify(sizes));
  const toReference = (repository: string): string => `${registry.host}/${repository}:1`;
  return {
    ...sizes,
    references: listedOrder.map((index) => toReference(images[index]?.repository ?? '')),
    biggest: toReference(biggestRepository),
  };
}

/** Takes a minute of two cores, and a gigabyte of memory that it gives back. */
async function pushColdSet(registry: BenchRegistry, scale: number): Promise<ColdSetSizes> {
  const layers = new Map<string, BuiltLayer>();
  const names = images.flatMap(({ repository, base, layers: own }) => [
    ...baseLayers(base),
    ...own.map((size, index) => ({ name: `${repository}/${index}`, size })),
  ]);
  const wanted = [...new Map(names.map((layer) => [layer.name, layer])).values()].toSorted((a, b) => b.size - a.size);
  const sources = makeSources();
  const entries = wanted.values();
  const build = async (): Promise<void> => {
    for (const { name, size } of entries)
      layers.set(name, await buildLayer(name, Math.round(size * megabyte * scale), sources));
  };
  await Promise.all([build(), build()]);

  const built = new Map<string, BuiltImage>();
  for (const { repository, base, layers: own } of images) {
    const chain = [...baseLayers(base).map(({ name }) => name), ...own.map((_, index) => `${repository}/${index}`)];
    const image = buildImage({
      layers: chain.map((name) => layers.get(name)).filter((layer) => layer !== undefined),
      labels: { repository },
    });
    built.set(repository, image);
    await pushImage(registry.target, repository, '1', image);
  }
  return toSizes(built);
}

function toSizes(built: ReadonlyMap<string, BuiltImage>): ColdSetSizes {
  const all = [...built.values()];
  const unique = new Map(all.flatMap(({ layers }) => layers.map((layer) => [layer.digest, layer] as const)));
  const sum = (parts: Iterable<BuiltLayer>, of: (layer: BuiltLayer) => number): number =>
    [...parts].reduce((total, layer) => total + of(layer), 0);
  return {
    blobs: unique.size + all.length,
    compressedBytes: sum(unique.values(), ({ blob }) => blob.length),
    unpackedBytes: sum(unique.values(), ({ unpackedBytes }) => unpackedBytes),
    biggestBytes: sum(built.get(biggestRepository)?.layers ?? [], ({ blob }) => blob.length),
  };
}

function baseLayers(name: keyof typeof bases): { name: string; size: number }[] {
  return bases[name].flatMap((part, index) =>
    typeof part === 'string' ? baseLayers(part) : [{ name: `${name}/${index}`, size: part }],
  );
}

interface Sources {
  readonly code: Buffer;
  readonly random: Buffer;
}

function makeSources(): Sources {
  const key = createHash('sha256').update('stevedore bench').digest();
  const random = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(64 * megabyte));
  return { code: readFileSync(process.execPath), random };
}

async function buildLayer(name: string, sizeBytes: number, sources: Sources): Promise<BuiltLayer> {
  const next = makeNumbers(name);
  const folder = createHash('sha256').update(name).digest('hex').slice(0, 12);
  const entries: TarEntry[] = [
    { kind: 'folder', path: 'opt' },
    { kind: 'folder', path: `opt/${folder}` },
  ];
  for (let left = sizeBytes, index = 0; left > 0; index += 1) {
    // From 200 bytes to 400 kB, every magnitude as often: a mean of 53 kB, and half of the files below 9 kB.
    const length = Math.min(left, mostFileBytes, Math.round(200 * (mostFileBytes / 200) ** next()));
    const source = next() < randomShare ? sources.random : sources.code;
    const start = Math.floor(next() * (source.length - length));
    if (index % 200 === 0) entries.push({ kind: 'folder', path: `opt/${folder}/${index / 200}` });
    entries.push({
      kind: 'file',
      path: `opt/${folder}/${Math.floor(index / 200)}/${index}.so`,
      content: source.subarray(start, start + length),
      mode: 0o644,
    });
    left -= length;
  }
  const tar = toTar(entries);
  const blob = await compress(tar);
  return { digest: await toDigest(blob), diffId: await toDigest(tar), blob, unpackedBytes: tar.length };
}

async function compress(tar: Buffer): Promise<Buffer> {
  const gzip = createGzip({ level: gzipLevel, chunkSize: megabyte });
  const parts: Buffer[] = [];
  gzip.on('data', (part: Buffer) => parts.push(part));
  gzip.end(tar);
  await once(gzip, 'end');
  return Buffer.concat(parts);
}

const nextTurn = promisify(setImmediate);

async function toDigest(content: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < content.length; start += 64 * megabyte) {
    hash.update(content.subarray(start, start + 64 * megabyte));
    await nextTurn();
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Numbers from 0 to 1 that only the seed decides. */
function makeNumbers(seed: string): () => number {
  const stream = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  const four = Buffer.alloc(4);
  return () => stream.update(four).readUInt32LE() / 2 ** 32;
}
