import { vi } from 'vitest';
import type { WarmEvent, WarmOrder, WarmResult } from '../../../agent/coordinator/warm-events.ts';
import { Warmer } from '../../../agent/coordinator/warmer.ts';
import type { WarmSettings } from '../../../agent/core/configuration.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { parseReference, repositoryName } from '../../../agent/core/image-reference.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { defaultWarm } from '../../fakes/default-coordinator.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { resolverRights } from '../../fakes/fake-harbor-content.ts';
import { type FillRule, FakeImageSource } from '../../fakes/fake-image-source.ts';
import { type FakeSourceImage, fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';

export const host = 'harbor.lan';
export const image = `${host}/hub/library/busybox:1`;
export const name = `${host}/hub/library/busybox`;
const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
];

/** Harbor's proxy cache: blobs are local once they were opened, a child once Harbor looked after that, 20 s at most. */
export class WarmWorld {
  readonly source = new FakeImageSource();
  readonly harbor = new FakeHarbor(host);
  readonly recorder = new RecordingHarborRecorder();
  readonly events: WarmEvent[] = [];
  readonly warmer: Warmer;
  settings: WarmSettings = { ...defaultWarm };
  username = 'resolver';

  constructor() {
    this.harbor.addProject('hub', { upstreamId: 7 });
    this.harbor.addRobot('resolver', 'secret', { '*': [...resolverRights] });
    this.harbor.addRobot('puller', 'secret', { '*': ['repository:pull'] });
    this.warmer = new Warmer({
      source: this.source,
      harbor: this.harbor,
      credentialsFor: ({ registry }) => Promise.resolve([new Credential(registry, this.username, 'secret')]),
      settings: () => this.settings,
      recorder: this.recorder,
      log: silentLogger,
      random: () => 0.5,
    });
  }

  /** An image of which nothing is local; its layers have these sizes. */
  addCold(
    sizes: readonly number[],
    {
      reference = image,
      seed = reference,
      rule = 'touch',
      fillMs = 300,
    }: { reference?: string; seed?: string; rule?: FillRule; fillMs?: number } = {},
  ): FakeSourceImage {
    const layers = sizes.map((sizeBytes) => ({ name: `layer of ${sizeBytes}`, sizeBytes }));
    const index = fakeSourceIndex(seed, platforms, { layers });
    this.source.add(reference, index);
    const repository = repositoryName(parseReference(reference));
    for (const { config, layers: all } of index.children) {
      for (const { digest } of [config, ...all]) this.source.chill(repository, digest, rule, fillMs);
    }
    return index;
  }

  /** Harbor stores the children's manifests. */
  store(index: FakeSourceImage, reference = image): void {
    const repository = parseReference(reference).repository;
    for (const { digest } of index.children) this.harbor.put(repository, { digest });
  }

  storeIn(ms: number, index: FakeSourceImage): void {
    setTimeout(() => this.store(index), ms);
  }

  order(index: FakeSourceImage | undefined, changes: Partial<WarmOrder> = {}): WarmOrder {
    const children = index?.children.map(
      ({ platform, digest }) => [`${platform.os}/${platform.architecture}`, digest] as const,
    );
    return {
      reference: image,
      platforms: ['linux/amd64', 'linux/arm64'],
      credentials: [],
      ...(children === undefined ? {} : { children: new Map(children) }),
      ...changes,
    };
  }

  warm(order: WarmOrder, signal = new AbortController().signal): Promise<WarmResult> {
    return this.warmer.warm(order, (event) => this.events.push(event), signal);
  }

  /** To its end, on the fake clock. */
  async warmed(order: WarmOrder, withinMs = 3_600_000): Promise<WarmResult> {
    let result: WarmResult | undefined;
    const running = this.warm(order).then((one) => {
      result = one;
    });
    for (let ms = 0; result === undefined && ms < withinMs; ms += 1_000) await vi.advanceTimersByTimeAsync(1_000);
    if (result === undefined) throw new Error('it does not end');
    await running;
    return result;
  }

  count(method: 'readImage' | 'hasBlob' | 'touchBlob' | 'discardBlob'): number {
    return this.source.count(method);
  }

  kinds(kind: WarmEvent['kind']): readonly WarmEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }
}
