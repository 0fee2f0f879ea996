/** What a proxy-cache project has behind it: a real registry whose requests are counted, and what Harbor believes of it. */

import type { IncomingMessage } from 'node:http';
import type { TestRegistry } from '../registry.ts';
import { acceptedManifests, Backend, readAll } from './backend.ts';
import type { UpstreamCost } from './call.ts';

/** `unhealthy`: as `down`, and Harbor has noticed. After it came back Harbor believes so for up to 5 minutes: `healthy` is both. */
export type UpstreamState = 'healthy' | 'down' | 'hanging' | 'unhealthy' | 401 | 403 | 404 | 429 | 500;

export interface UpstreamCounts {
  heads: number;
  manifests: number;
  blobs: number;
  /** GETs of blobs that were sent to their end. */
  completeBlobs: number;
  others: number;
  /** Bodies, as far as the upstream handed them to its connections. */
  bytes: number;
}

export interface RemoteManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: string;
}

export type RemoteFailure = 'absent' | 'limited' | 'failed';

/** Thrown for an answer that is no success; `body` is the upstream's. */
export class RemoteError extends Error {
  readonly status: number;
  readonly body: string;

  /** @param status 0: nobody answered */
  constructor(status: number, body: string) {
    super(`http status code: ${status}, body: ${body}`);
    this.status = status;
    this.body = body;
  }

  get failure(): RemoteFailure {
    if (this.status === 404) return 'absent';
    return this.status === 429 ? 'limited' : 'failed';
  }
}

export class Upstream {
  readonly id: number;
  readonly kind: 'docker-registry' | 'docker-hub';
  readonly createdAt = new Date();
  /** Push what it has; its `requests` are Harbor's, its `faults` can be changed as well. */
  readonly registry: TestRegistry;
  /** What Harbor believes. */
  healthy = true;
  readonly #backend: Backend;

  constructor(id: number, kind: Upstream['kind'], registry: TestRegistry) {
    this.id = id;
    this.kind = kind;
    this.registry = registry;
    this.#backend = new Backend(registry.host);
  }

  async setState(state: UpstreamState): Promise<void> {
    const { faults } = this.registry;
    this.healthy = state !== 'unhealthy';
    faults.hang = state === 'hanging';
    faults.status = typeof state === 'number' ? () => state : undefined;
    if (state === 'down' || state === 'unhealthy') await this.registry.stop();
    else await this.registry.start();
  }

  /** Since the start or the latest `reset`. */
  counts(): UpstreamCounts {
    const counts: UpstreamCounts = { heads: 0, manifests: 0, blobs: 0, completeBlobs: 0, others: 0, bytes: 0 };
    for (const { method, path, bytes, complete } of this.registry.requests) {
      counts.bytes += bytes;
      if (method === 'HEAD') counts.heads += 1;
      else if (path.includes('/manifests/')) counts.manifests += 1;
      else if (path.includes('/blobs/')) {
        counts.blobs += 1;
        if (complete) counts.completeBlobs += 1;
      } else counts.others += 1;
    }
    return counts;
  }

  reset(): void {
    this.registry.requests.length = 0;
  }

  /** @returns undefined where the upstream says that there is none. @throws RemoteError */
  async head(repository: string, reference: string, cost: UpstreamCost): Promise<RemoteManifest | undefined> {
    cost.heads += 1;
    const answer = await this.#open('HEAD', `/v2/${repository}/manifests/${reference}`, { accept: acceptedManifests });
    answer.resume();
    const status = answer.statusCode ?? 0;
    if (status === 404) return undefined;
    if (status !== 200) throw new RemoteError(status, '');
    const { 'docker-content-digest': digest, 'content-type': mediaType, 'content-length': size } = answer.headers;
    return { digest: String(digest), mediaType: mediaType ?? '', size: size ?? '0' };
  }

  /** @throws RemoteError */
  async manifest(
    repository: string,
    reference: string,
    cost: UpstreamCost,
  ): Promise<{ readonly content: Buffer; readonly mediaType: string }> {
    cost.manifests += 1;
    const answer = await this.#open('GET', `/v2/${repository}/manifests/${reference}`, { accept: acceptedManifests });
    const content = await readAll(answer).catch(() => Buffer.alloc(0));
    const status = answer.statusCode ?? 0;
    if (status !== 200) throw new RemoteError(status, content.toString());
    return { content, mediaType: answer.headers['content-type'] ?? '' };
  }

  /** The answer with its body unread. @throws RemoteError */
  async blob(repository: string, digest: string, cost: UpstreamCost): Promise<IncomingMessage> {
    cost.blobs += 1;
    const answer = await this.#open('GET', `/v2/${repository}/blobs/${digest}`, {});
    const status = answer.statusCode ?? 0;
    if (status === 200) return answer;
    throw new RemoteError(status, (await readAll(answer).catch(() => Buffer.alloc(0))).toString());
  }

  /** @throws RemoteError */
  async tags(repository: string): Promise<readonly string[]> {
    const answer = await this.#open('GET', `/v2/${repository}/tags/list`, {});
    const body = (await readAll(answer).catch(() => Buffer.alloc(0))).toString();
    if (answer.statusCode !== 200) throw new RemoteError(answer.statusCode ?? 0, body);
    return (JSON.parse(body) as { tags: string[] | null }).tags ?? [];
  }

  async close(): Promise<void> {
    this.#backend.close();
    await this.registry.remove();
  }

  async #open(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    try {
      return await this.#backend.open({ method, path, headers });
    } catch {
      throw new RemoteError(0, '');
    }
  }
}
