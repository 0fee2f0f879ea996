import type { Demand, WantedPattern } from '../../../agent/core/demand.ts';
import { ProjectBook } from '../../../agent/coordinator/project-book.ts';
import { Resolver } from '../../../agent/coordinator/resolver.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageReference } from '../../../agent/core/image-reference.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { patternKey, type RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import {
  noResolutions,
  type ResolvedImage,
  type ResolvedPattern,
  type Resolutions,
} from '../../../agent/core/resolution.ts';
import type { HarborArtifact } from '../../../agent/registry/harbor.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { resolverRights } from '../../fakes/fake-harbor-content.ts';
import { type FakeSourceImage, fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { FakeImageSource } from '../../fakes/fake-image-source.ts';

export const host = 'harbor.lan';
export const amd64 = { os: 'linux', architecture: 'amd64' };
export const arm64 = { os: 'linux', architecture: 'arm64' };
export const minute = 60_000;
export const interval = 30 * minute;

/** An image source in front of a proxy cache: what a tag that cannot exist gives tells whether the upstream answers. */
export class ProxySource extends FakeImageSource {
  /** What Harbor says of the probe. Undefined: the upstream's own word. */
  probe: Failure | undefined;

  override headManifest(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal) {
    if (this.probe !== undefined && reference.tag?.startsWith('stevedore-probe-') === true) {
      this.faults.fail('*', this.probe, 1);
    }
    return super.headManifest(reference, credentials, signal);
  }
}

export class ResolverWorld {
  readonly source = new ProxySource();
  readonly harbor = new FakeHarbor(host);
  readonly resolver: Resolver;
  warms = true;
  images: string[] = [];
  patterns: RepositoryPattern[] = [];
  platforms = ['linux/amd64'];
  last: Resolutions = noResolutions;
  username = 'resolver';

  constructor() {
    this.harbor.addProject('app');
    this.harbor.addProject('hub', { upstreamId: 7 });
    this.harbor.addRobot('resolver', 'secret', { '*': [...resolverRights] });
    this.harbor.addRobot('puller', 'secret', { '*': ['repository:pull'] });
    this.resolver = this.restarted();
  }

  /** As another leader would have it. */
  restarted(): Resolver {
    const credentialsFor = ({ registry }: { readonly registry: string }) =>
      Promise.resolve([new Credential(registry, this.username, 'secret')]);
    return new Resolver({
      source: this.source,
      harbor: this.harbor,
      projects: new ProjectBook({ harbor: this.harbor, credentialsFor }),
      credentialsFor,
      isHarbor: (name) => name === host,
      warms: () => this.warms,
      log: silentLogger,
      random: () => 1,
    });
  }

  get demand(): Demand {
    const wanted = { platforms: this.platforms, credentials: [], everyMs: interval };
    return {
      images: this.images.map((reference) => ({ reference, ...wanted })),
      patterns: this.patterns.map((pattern): WantedPattern => ({ key: patternKey(pattern), pattern, ...wanted })),
    };
  }

  /** One round. What was asked before is forgotten. */
  async round(resolver: Resolver = this.resolver): Promise<Resolutions> {
    this.source.calls.length = 0;
    this.harbor.calls.length = 0;
    this.last = await resolver.resolve(this.demand, this.last, new AbortController().signal);
    return this.last;
  }

  async image(reference: string): Promise<ResolvedImage> {
    const image = (await this.round()).images.get(reference);
    if (image === undefined) throw new Error(`${reference} has no record`);
    return image;
  }

  async pattern(): Promise<ResolvedPattern> {
    const [found] = (await this.round()).patterns.values();
    if (found === undefined) throw new Error('the pattern has no record');
    return found;
  }

  /** The same in the registry and in Harbor's records. */
  push(name: string, tag: string, pushedAt: number, changes: Partial<HarborArtifact> = {}): FakeSourceImage {
    const image = fakeSourceIndex(`${name}:${tag}`, [amd64, arm64]);
    this.source.add(`${host}/${name}:${tag}`, image);
    const children = image.children.map(({ digest, platform: { os, architecture } }) => ({
      digest,
      os,
      architecture,
      variant: undefined,
    }));
    for (const { digest } of children) this.harbor.put(name, { digest });
    this.harbor.put(name, {
      digest: image.digest,
      pushedAt,
      tags: [{ name: tag, pushedAt, pulledAt: undefined }],
      children,
      ...changes,
    });
    return image;
  }

  /** What was asked of the registry, as `headManifest` or `readImage` each. */
  get asked(): string[] {
    return this.source.calls.map(({ method, reference }) => `${method} ${reference.replace(/probe-\w+/, 'probe')}`);
  }
}

export const noTags = {
  match: undefined,
  regex: undefined,
  semver: undefined,
  newest: undefined,
  newestBy: 'push_time',
} as const;

export function toPattern(changes: Partial<RepositoryPattern> = {}): RepositoryPattern {
  return {
    registry: host,
    project: 'app',
    repository: '*',
    tags: noTags,
    labels: [],
    maxSeverity: undefined,
    unscanned: 'refuse',
    signed: undefined,
    signedBy: [],
    ...changes,
  };
}

export const upstreamAway = new Failure('not_found', 'artifact hub/x not found', { detail: 'not_found_proxy' });
