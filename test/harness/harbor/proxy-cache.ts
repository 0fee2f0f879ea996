/**
 * The background of proxy-cache projects: what fills Harbor's registry after a client has asked. As in Harbor 2.15.2
 * (controller/proxy): nothing here is shared between requests but the store step itself.
 */

import { setTimeout as wait } from 'node:timers/promises';
import { toDigest } from '../images.ts';
import type { UpstreamCost } from './call.ts';
import type { Artifact, Project } from './model.ts';
import type { HarborSystem } from './system.ts';
import type { Upstream } from './upstream.ts';

const imageChecks = 10;
const indexChecks = 20;

export interface Proxied {
  readonly project: Project;
  readonly upstream: Upstream;
  /** With the project. */
  readonly repository: string;
  readonly remoteRepository: string;
}

export interface CachedIndex {
  readonly content: Buffer;
  readonly mediaType: string;
}

interface IndexEntry {
  readonly mediaType: string;
  readonly size: number;
  readonly digest: string;
  readonly annotations?: unknown;
  readonly platform?: Readonly<Record<string, unknown>>;
}

export class ProxyCache {
  readonly #system: HarborSystem;
  /** The original bytes of indexes, by repository and upstream digest. */
  readonly #indexes = new Map<string, CachedIndex>();
  /** Digests of rewritten indexes by the digest that was asked for. */
  readonly #rewritten = new Map<string, string>();
  readonly #storing = new Set<string>();
  /** Tags of HEADs whose artifact is not there yet, by repository and digest. */
  readonly #wantedTags = new Map<string, Set<string>>();
  /** Images that loops wait for, by repository and digest. */
  readonly #awaited = new Map<string, number>();
  #running = 0;

  constructor(system: HarborSystem) {
    this.#system = system;
  }

  /** Loops and fills under way. */
  get running(): number {
    return this.#running;
  }

  index(repository: string, digest: string): CachedIndex | undefined {
    return this.#indexes.get(`${repository}@${digest}`);
  }

  /** After a manifest was passed on. @param asked the digest in the request; empty when it was a tag */
  storeManifest(proxied: Proxied, asked: string, tag: string | undefined, content: Buffer, mediaType: string): void {
    const isIndex = mediaType.includes('image.index') || mediaType.includes('manifest.list');
    this.#inBackground(async () => {
      if (isIndex) await this.#storeIndex(proxied, asked, content, mediaType);
      else
        await this.#awaiting(`${proxied.repository}@${toDigest(content)}`, () =>
          this.#storeImage(proxied, tag, content, mediaType),
        );
    });
  }

  /** A second download of what a client reads already. */
  storeBlob(proxied: Proxied, digest: string, cost: UpstreamCost): void {
    this.#inBackground(() => this.#fetchBlob(proxied, digest, cost));
  }

  /** After a HEAD by tag: once the artifact is there, which Harbor waits for for ten minutes. */
  ensureTag({ repository }: Proxied, digest: string, tag: string): void {
    const local = this.#rewritten.get(digest) ?? digest;
    if (this.#system.catalogue.find(repository, local) !== undefined) {
      this.#tag(repository, local, tag);
      return;
    }
    const key = `${repository}@${digest}`;
    this.#wantedTags.set(key, (this.#wantedTags.get(key) ?? new Set()).add(tag));
  }

  #tag(repository: string, digest: string, tag: string): void {
    const { catalogue, timing, end } = this.#system;
    this.#inBackground(async () => {
      await wait(timing.tagPeriodMs, undefined, { signal: end });
      catalogue.tag(repository, tag, digest);
      const known = catalogue.repositories.get(repository)?.tags.get(tag);
      if (known !== undefined) known.pulledAt = new Date();
    });
  }

  /** @param asked the digest by which a client knows it, where it is another */
  #tagAsWanted({ repository, digest }: Artifact, asked = digest): void {
    for (const key of new Set([`${repository}@${asked}`, `${repository}@${digest}`])) {
      for (const tag of this.#wantedTags.get(key) ?? []) this.#tag(repository, digest, tag);
      this.#wantedTags.delete(key);
    }
  }

  async #storeImage(proxied: Proxied, tag: string | undefined, content: Buffer, mediaType: string): Promise<void> {
    const { timing, end, storage } = this.#system;
    const { repository } = proxied;
    const { config, layers = [] } = JSON.parse(content.toString()) as Record<'config', { digest: string }> & {
      layers?: { digest: string }[];
    };
    const needed = [...new Set([config.digest, ...layers.map(({ digest }) => digest)])];
    let missing: string[] = needed;
    for (let checks = 0; checks < imageChecks && missing.length > 0; checks += 1) {
      await wait(timing.checkPeriodMs, undefined, { signal: end });
      const there = await Promise.all(needed.map((digest) => storage.hasBlob(repository, digest)));
      missing = needed.filter((_, at) => there[at] === false);
    }
    for (const digest of missing) await this.#fetchBlob(proxied, digest, { heads: 0, manifests: 0, blobs: 0 });
    this.#tagAsWanted(await this.#add(proxied, content, mediaType));
    if (tag !== undefined) this.#system.catalogue.tag(repository, tag, toDigest(content));
  }

  /** It waits for its children, and keeps those that somebody pulled. */
  async #storeIndex(proxied: Proxied, asked: string, content: Buffer, mediaType: string): Promise<void> {
    const { timing, end, catalogue } = this.#system;
    const { repository } = proxied;
    this.#indexes.set(`${repository}@${toDigest(content)}`, { content, mediaType });
    const entries = (JSON.parse(content.toString()) as { manifests?: IndexEntry[] }).manifests ?? [];
    let kept: readonly IndexEntry[] = [];
    // With short periods on a busy machine its time would be over before that of its children.
    const isAwaited = (): boolean => entries.some(({ digest }) => this.#awaited.has(`${repository}@${digest}`));
    for (let checks = 0; checks < indexChecks || isAwaited(); checks += 1) {
      await wait(timing.checkPeriodMs, undefined, { signal: end });
      kept = entries.filter(({ digest }) => catalogue.find(repository, digest) !== undefined);
      if (kept.length === entries.length) break;
    }
    if (kept.length === 0) return;
    const rewritten = rewriteIndex(kept);
    this.#rewritten.set(asked, toDigest(rewritten));
    this.#tagAsWanted(await this.#add(proxied, rewritten, typeOfIndex(kept)), asked);
  }

  async #awaiting(key: string, run: () => Promise<void>): Promise<void> {
    this.#awaited.set(key, (this.#awaited.get(key) ?? 0) + 1);
    try {
      await run();
    } finally {
      const left = (this.#awaited.get(key) ?? 1) - 1;
      if (left === 0) this.#awaited.delete(key);
      else this.#awaited.set(key, left);
    }
  }

  async #fetchBlob(
    { upstream, remoteRepository, repository }: Proxied,
    digest: string,
    cost: UpstreamCost,
  ): Promise<void> {
    const answer = await upstream.blob(remoteRepository, digest, cost);
    const key = `${repository}@${digest}`;
    // Only now, with the download open, does Harbor look whether somebody else stores it.
    if (this.#storing.has(key)) {
      answer.destroy();
      return;
    }
    this.#storing.add(key);
    try {
      const length = answer.headers['content-length'];
      await this.#system.storage.putBlob(repository, digest, answer, length === undefined ? undefined : Number(length));
    } finally {
      this.#storing.delete(key);
      answer.destroy();
    }
  }

  async #add({ project, repository }: Proxied, content: Buffer, mediaType: string): Promise<Artifact> {
    const { storage, catalogue } = this.#system;
    await storage.putManifest(repository, toDigest(content), content, mediaType);
    const { config } = JSON.parse(content.toString()) as { config?: { digest: string } };
    const blob = config === undefined ? undefined : await storage.getBlob(repository, config.digest);
    return catalogue.add(repository, project.id, { content, mediaType, config: parseConfig(blob) });
  }

  /** What fails here, Harbor logs: nobody is told. */
  #inBackground(run: () => Promise<void>): void {
    this.#running += 1;
    run()
      .catch(() => undefined)
      .finally(() => {
        this.#running -= 1;
      });
  }
}

export function parseConfig(blob: Buffer | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    return blob === undefined ? undefined : (JSON.parse(blob.toString()) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

function typeOfIndex([first]: readonly IndexEntry[]): string {
  return first?.mediaType === 'application/vnd.oci.image.manifest.v1+json'
    ? 'application/vnd.oci.image.index.v1+json'
    : 'application/vnd.docker.distribution.manifest.list.v2+json';
}

/** As Harbor serialises it: other order, other white space, so another digest even when nothing was left out. */
function rewriteIndex(entries: readonly IndexEntry[]): Buffer {
  const manifests = entries.map(({ mediaType, size, digest, annotations, platform = {} }) => {
    const { architecture, os, ...others } = platform;
    const described = { architecture: architecture ?? '', os: os ?? '', ...others };
    return { mediaType, size, digest, ...(annotations === undefined ? {} : { annotations }), platform: described };
  });
  const index = { schemaVersion: 2, mediaType: typeOfIndex(entries), manifests };
  return Buffer.from(JSON.stringify(index, undefined, 3));
}
