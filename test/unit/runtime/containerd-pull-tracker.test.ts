import { describe, expect, it } from 'vitest';
import { toChainIds } from '../../../agent/core/layers.ts';
import { createPullTracker } from '../../../agent/runtime/containerd/pull-tracker.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const config = { digest: id('a'), sizeBytes: 10 };
const layers = [
  { digest: id('b'), sizeBytes: 100 },
  { digest: id('c'), sizeBytes: 1000 },
];
const diffIds = [id('d'), id('e')];
const chain = toChainIds(diffIds);
const ingest = (digest: string, offset: number) => ({
  ref: `layer-${digest}`,
  offset: String(offset),
  total: '0',
  expected: digest,
});

describe('the state of a pull', () => {
  it('counts the offsets of its own blobs only, whoever fetches them', () => {
    const tracker = createPullTracker([config, ...layers]);
    expect(tracker.observe([ingest(id('b'), 40), ingest(id('9'), 500)])).toEqual({ moved: true, gone: [] });
    expect(tracker.progress()).toEqual({ downloadedBytes: 40, totalBytes: 1110 });
    expect(tracker.observe([ingest(id('b'), 40), ingest(id('9'), 900)]).moved).toBe(false);
  });

  it('finds the digest in the ref where containerd names no expected one', () => {
    const tracker = createPullTracker(layers);
    tracker.observe([{ ...ingest(id('b'), 40), expected: '' }]);
    expect(tracker.progress().downloadedBytes).toBe(40);
  });

  it('asks for blobs whose ingest ended, and takes them as here only when told', () => {
    const tracker = createPullTracker(layers);
    tracker.observe([ingest(id('b'), 90)]);
    expect(tracker.observe([])).toEqual({ moved: false, gone: [id('b')] });
    expect(tracker.observe([]).gone).toEqual([]);
    expect(tracker.progress().downloadedBytes).toBe(90);
    expect(tracker.complete(id('b'))).toBe(true);
    expect(tracker.complete(id('b'))).toBe(false);
    expect(tracker.progress().downloadedBytes).toBe(100);
  });

  it('knows no total until it learns the manifest', () => {
    const tracker = createPullTracker(undefined);
    expect(tracker.progress()).toEqual({ downloadedBytes: 0, totalBytes: undefined });
    tracker.learn(id('f'), { kind: 'manifest', config, layers });
    expect(tracker.progress()).toEqual({ downloadedBytes: 0, totalBytes: 1110 });
  });

  it('counts a layer that is unpacked as here, and knows its unpack keys', () => {
    const tracker = createPullTracker([config, ...layers]);
    expect(tracker.toChainId(`extract-1-x ${chain[0]}`)).toBeUndefined();
    tracker.learn(config.digest, { kind: 'config', diffIds });
    expect(tracker.toChainId(`extract-1-x ${chain[1]}`)).toBe(chain[1]);
    expect(tracker.toChainId(`extract-1-x ${id('9')}`)).toBeUndefined();
    expect(tracker.completeLayer(chain[1] ?? '')).toBe(true);
    expect(tracker.progress().downloadedBytes).toBe(1000);
  });

  it('claims no layer where layers and diff ids do not match up', () => {
    const tracker = createPullTracker([config, layers[0] ?? config]);
    tracker.learn(config.digest, { kind: 'config', diffIds });
    expect(tracker.completeLayer(chain[1] ?? '')).toBe(false);
  });
});
