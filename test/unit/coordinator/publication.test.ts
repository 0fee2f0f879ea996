import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ClusterPublication, MemoryPublication } from '../../../agent/coordinator/publication.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions, type ResolvedImage, type Resolutions } from '../../../agent/core/resolution.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { fakeDigest } from '../../fakes/fake-registry.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';

const signal = new AbortController().signal;

function toImage(name: string, seed = name): ResolvedImage {
  const reference = `harbor.lan/app/${name}:1`;
  return { reference, digest: fakeDigest(seed), isProxied: false, platforms: [] };
}

function toResolutions(...images: ResolvedImage[]): Resolutions {
  return { images: new Map(images.map((image) => [image.reference, image])), patterns: new Map() };
}

function createApi(): FakeApi {
  const api = new FakeApi();
  api.createResolved();
  return api;
}

function open(api = createApi()) {
  const cluster = new FakeCluster('n1', { api });
  const recorder = new RecordingHarborRecorder();
  return { api, cluster, recorder, publication: new ClusterPublication({ cluster, recorder, log: silentLogger }) };
}

const updates = (cluster: FakeCluster): number => cluster.calls.filter((call) => call === 'updateResolved').length;

describe('what is published', () => {
  test('is read again by the next leader as it was written', async () => {
    const { api, publication } = open();
    const resolutions = toResolutions(toImage('a'), toImage('b'), toImage('c'));
    expect(await publication.write(resolutions, signal)).toBe(true);
    expect((await open(api).publication.read(signal)).images).toEqual(resolutions.images);
  });

  test('costs one write where one image changed, and none where nothing did', async () => {
    const { cluster, publication } = open();
    const images = Array.from({ length: 40 }, (_, index) => toImage(`i${index}`));
    await publication.read(signal);
    await publication.write(toResolutions(...images), signal);
    expect(updates(cluster)).toBe(8);
    await publication.write(toResolutions(...images), signal);
    expect(updates(cluster)).toBe(8);
    await publication.write(toResolutions(...images.slice(1), toImage('i0', 'moved')), signal);
    expect(updates(cluster)).toBe(9);
  });

  test('comes back where somebody emptied it, within some rounds', async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { api, publication } = open();
    const resolutions = toResolutions(toImage('a'), toImage('b'));
    await publication.write(resolutions, signal);
    for (const { name } of api.resolved()) api.setResolved(name, {});
    await publication.write(resolutions, signal);
    expect((await open(api).publication.read(signal)).images.size).toBe(0);
    vi.advanceTimersByTime(600_000);
    await publication.write(resolutions, signal);
    expect((await open(api).publication.read(signal)).images).toEqual(resolutions.images);
  });

  test('wins over what somebody else wrote since', async () => {
    const { api, cluster, publication } = open();
    await publication.read(signal);
    await publication.write(toResolutions(toImage('a')), signal);
    const other = open(api);
    await other.publication.write(toResolutions(toImage('a', 'other')), signal);
    expect(await publication.write(toResolutions(toImage('a', 'new')), signal)).toBe(true);
    expect((await other.publication.read(signal)).images.get('harbor.lan/app/a:1')?.digest).toBe(fakeDigest('new'));
    expect(cluster.calls.filter((call) => call === 'readResolved')).toHaveLength(2);
  });

  test('is said not to be whole where a ConfigMap is missing or a write fails, and goes on with the others', async () => {
    const cluster = new FakeCluster('n1');
    const recorder = new RecordingHarborRecorder();
    const publication = new ClusterPublication({ cluster, recorder, log: silentLogger });
    expect(await publication.write(toResolutions(toImage('a')), signal)).toBe(false);
    expect(recorder.publishFailures).toBe(8);
    cluster.api.createResolved();
    cluster.fail('updateResolved', new Failure('network', 'away'));
    expect(await publication.write(toResolutions(toImage('a')), signal)).toBe(false);
    expect(await publication.write(toResolutions(toImage('a')), signal)).toBe(true);
  });

  test('without Kubernetes is handed on and kept in memory', async () => {
    const seen: Resolutions[] = [];
    const publication = new MemoryPublication((resolutions) => seen.push(resolutions));
    expect(await publication.read()).toBe(noResolutions);
    const resolutions = toResolutions(toImage('a'));
    expect(await publication.write(resolutions)).toBe(true);
    expect(await publication.read()).toBe(resolutions);
    expect(seen).toEqual([resolutions]);
  });
});
