import { vi } from 'vitest';
import { Coordinator } from '../../../agent/coordinator/coordinator.ts';
import { ClusterPublication, MemoryPublication, type Publication } from '../../../agent/coordinator/publication.ts';
import type { Configuration } from '../../../agent/core/configuration.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions, type Resolutions } from '../../../agent/core/resolution.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { resolverRights } from '../../fakes/fake-harbor-content.ts';
import { FakeImageSource } from '../../fakes/fake-image-source.ts';
import { type FakeSourceImage, fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';

export const host = 'harbor.lan';
export const web = `${host}/app/web:v1`;
export const box = `${host}/hub/library/busybox:1`;
export const minute = 60_000;
export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };

/** One Harbor, and agents that coordinate for a cluster or for themselves. */
export class CoordinatorWorld {
  readonly source = new FakeImageSource();
  readonly harbor = new FakeHarbor(host);
  readonly api = new FakeApi();
  readonly recorder = new RecordingHarborRecorder();
  readonly rounds: number[] = [];
  readonly web = fakeSourceIndex('web', [amd64, arm64]);
  readonly box = fakeSourceIndex('box', [amd64, arm64]);
  memory: Resolutions = noResolutions;
  resolvedAt: number | undefined;
  readonly #stops: (() => Promise<void>)[] = [];

  constructor() {
    this.harbor.addProject('app');
    this.harbor.addProject('hub', { upstreamId: 7 });
    this.harbor.addRobot('resolver', 'secret', { '*': [...resolverRights] });
    this.source.add(web, this.web);
    this.addCold(this.box);
    this.api.createResolved();
    this.api.setNode('n1', { labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' } });
  }

  addCold(index: FakeSourceImage): void {
    this.source.add(box, index);
    for (const { config, layers } of index.children) {
      for (const { digest } of [config, ...layers]) this.source.chill(box.slice(0, -2), digest, 'touch', 500);
    }
  }

  /** Harbor has looked after the blobs. */
  store(index: FakeSourceImage): void {
    for (const { digest } of index.children) this.harbor.put('hub/library/busybox', { digest });
  }

  configuration(images: readonly string[] = [web, box], more: Partial<Configuration> = {}): Configuration {
    const registry = {
      host,
      harbor: true,
      plainHTTP: false,
      insecureSkipVerify: false,
      caFile: undefined,
      tokenHosts: [],
    };
    return { ...sampleConfiguration([sampleSet('all', images)]), registries: [registry], ...more };
  }

  /** `cluster` false: without Kubernetes. */
  create(cluster: FakeCluster | undefined): Coordinator {
    const { source, harbor, recorder } = this;
    const publication: Publication =
      cluster === undefined
        ? new MemoryPublication((resolutions) => {
            this.memory = resolutions;
          })
        : new ClusterPublication({ cluster, recorder, log: silentLogger });
    return new Coordinator({
      source,
      blobs: source,
      harbor,
      credentialsFor: ({ registry }) => Promise.resolve([new Credential(registry, 'resolver', 'secret')]),
      publication,
      listNodes: cluster === undefined ? undefined : (signal) => cluster.listNodes(signal),
      own: () => ({ labels: { zone: 'a' }, platform: amd64 }),
      resolvedAt: () => this.resolvedAt,
      onRound: (at) => this.rounds.push(at),
      recorder,
      log: silentLogger,
      random: () => 0.5,
    });
  }

  lead(coordinator: Coordinator): () => Promise<void> {
    const stop = new AbortController();
    const leading = coordinator.lead(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
    const end = () => {
      stop.abort();
      return leading;
    };
    this.#stops.push(end);
    return end;
  }

  /** What nodes see. */
  async published(): Promise<Resolutions> {
    const cluster = new FakeCluster('reader', { api: this.api });
    const publication = new ClusterPublication({ cluster, recorder: this.recorder, log: silentLogger });
    return publication.read(new AbortController().signal);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()));
  }

  get asked(): readonly string[] {
    return this.source.calls.map(({ method, reference }) => `${method} ${reference}`);
  }
}
