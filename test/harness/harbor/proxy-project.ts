/** What a proxy-cache project answers (Harbor 2.15.2, middleware/repoproxy): local where it can be, else the upstream's. */

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, internalError, notFound, toError, toErrorBody, tooManyRequests } from './answers.ts';
import type { Call } from './call.ts';
import { answerLocalBlob, answerLocalManifest, answerLocalTags, toTagList } from './local-content.ts';
import { isDigest, type Project } from './model.ts';
import { ProxyCache, type Proxied } from './proxy-cache.ts';
import type { HarborSystem } from './system.ts';
import { RemoteError, type Upstream } from './upstream.ts';

/** Go's response buffer: a shorter body gets a Content-Length. */
const bufferedBytes = 2_048;

export class ProxyProjects {
  readonly cache: ProxyCache;
  readonly #system: HarborSystem;
  /** Requests that hold a connection to the upstream, by repository and digest. */
  readonly #connections = new Map<string, number>();

  constructor(system: HarborSystem) {
    this.#system = system;
    this.cache = new ProxyCache(system);
  }

  async manifest(
    call: Call,
    project: Project,
    upstream: Upstream,
    repository: string,
    reference: string,
  ): Promise<Answer> {
    const proxied = toProxied(project, upstream, repository);
    const moved = toLibrary(proxied, `manifests/${reference}`, call.method);
    if (moved !== undefined) return moved;
    const local = (): Promise<Answer> => answerLocalManifest(this.#system, call, project, repository, reference);
    if (!upstream.healthy) return local();
    try {
      const planned = await this.#proxyManifest(call, proxied, reference);
      return planned ?? (await local());
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      if (error.failure === 'absent') return this.#absent(repository, reference);
      return error.failure === 'limited' ? tooManyRequests : local();
    }
  }

  async blob(call: Call, project: Project, upstream: Upstream, repository: string, digest: string): Promise<Answer> {
    const proxied = toProxied(project, upstream, repository);
    const local = (): Promise<Answer> => answerLocalBlob(this.#system, call, repository, digest);
    // A HEAD never asks the upstream.
    if (call.method === 'HEAD') return local();
    const moved = toLibrary(proxied, `blobs/${digest}`, call.method);
    if (moved !== undefined) return moved;
    if (!upstream.healthy || (await this.#system.storage.hasBlob(repository, digest))) return local();
    const release = this.#acquire(project, `${repository}@${digest}`);
    if (release === undefined) return tooManyRequests;
    try {
      const answer = await upstream.blob(proxied.remoteRepository, digest, call.record.upstream);
      this.cache.storeBlob(proxied, digest, call.record.upstream);
      return await toColdBlob(answer, call.signal, release);
    } catch (error) {
      release();
      if (error instanceof RemoteError) return toBlobError(error);
      throw error;
    }
  }

  async tags(call: Call, upstream: Upstream, project: Project, repository: string): Promise<Answer> {
    if (!upstream.healthy) return answerLocalTags(this.#system, call, repository);
    const known = [...(this.#system.catalogue.repositories.get(repository)?.tags.keys() ?? [])];
    const { remoteRepository } = toProxied(project, upstream, repository);
    const remote = await upstream.tags(remoteRepository).catch(() => []);
    return toTagList(call, repository, [...known, ...remote]);
  }

  /** @returns undefined where the local one is to be served. @throws RemoteError */
  async #proxyManifest(call: Call, proxied: Proxied, reference: string): Promise<Answer | undefined> {
    const { catalogue } = this.#system;
    const { repository, remoteRepository, upstream, project } = proxied;
    const { upstream: cost } = call.record;
    const known = catalogue.find(repository, reference);
    if (known !== undefined && isDigest(reference)) return undefined;
    const remote = await upstream.head(remoteRepository, reference, cost).catch((error: unknown) => {
      if (error instanceof RemoteError && error.failure === 'limited' && known !== undefined) return 'local' as const;
      throw error;
    });
    if (remote === 'local') return undefined;
    if (remote === undefined) {
      const keeps = known !== undefined && project.metadata['proxy_cache_local_on_not_found'] === 'true';
      return keeps ? undefined : this.#absent(repository, reference);
    }
    const index = this.cache.index(repository, isDigest(reference) ? reference : remote.digest);
    if (index !== undefined) {
      return { status: 200, headers: toHeaders(index.mediaType, remote.digest), body: index.content };
    }
    if (known?.digest === remote.digest) return undefined;
    const release = this.#acquire(project, `${repository}@${isDigest(reference) ? reference : ''}`);
    if (release === undefined) return tooManyRequests;
    try {
      return await this.#fetchManifest(call, proxied, reference);
    } finally {
      release();
    }
  }

  async #fetchManifest(call: Call, proxied: Proxied, reference: string): Promise<Answer | undefined> {
    const { repository, remoteRepository, upstream } = proxied;
    const { upstream: cost } = call.record;
    const tag = isDigest(reference) ? undefined : reference;
    if (call.method === 'HEAD') {
      const second = await upstream.head(remoteRepository, reference, cost);
      if (second === undefined) return notFound(`the tag ${repository}:${tag ?? ''} is not found`);
      if (tag !== undefined) this.cache.ensureTag(proxied, second.digest, tag);
      return { status: 200, headers: { ...toHeaders(second.mediaType, second.digest), 'Content-Length': second.size } };
    }
    const { content, mediaType } = await upstream.manifest(remoteRepository, reference, cost);
    const asked = tag === undefined ? reference : '';
    this.cache.storeManifest(proxied, asked, tag, content, mediaType);
    // By tag the digest is empty: clients have to hash what they got.
    return { status: 200, headers: toHeaders(mediaType, asked), body: content };
  }

  /** The words where the upstream itself says 404. */
  #absent(repository: string, reference: string): Answer {
    const tag = isDigest(reference) ? '' : reference;
    return notFound(`resource not found: repo ${repository}, tag ${tag} not found`);
  }

  #acquire({ metadata }: Project, key: string): (() => void) | undefined {
    const most = Number(metadata['max_upstream_conn'] ?? 0);
    const open = this.#connections.get(key) ?? 0;
    if (most > 0 && open >= most) return undefined;
    this.#connections.set(key, open + 1);
    let held = true;
    return () => {
      if (held) this.#connections.set(key, (this.#connections.get(key) ?? 1) - 1);
      held = false;
    };
  }
}

function toProxied(project: Project, upstream: Upstream, repository: string): Proxied {
  return { project, upstream, repository, remoteRepository: repository.slice(project.name.length + 1) };
}

/** Quotes are missing in what is proxied. */
function toHeaders(mediaType: string, digest: string): Record<string, string> {
  return { 'Content-Type': mediaType, 'Docker-Content-Digest': digest, Etag: digest };
}

function toLibrary({ project, upstream, remoteRepository }: Proxied, rest: string, method: string): Answer | undefined {
  if (upstream.kind !== 'docker-hub' || remoteRepository.includes('/')) return undefined;
  const location = `/v2/${project.name}/library/${remoteRepository}/${rest}`;
  const headers = { 'Content-Type': 'text/html; charset=utf-8', Location: location };
  return method === 'HEAD'
    ? { status: 301, headers }
    : { status: 301, headers, body: `<a href="${location}">Moved Permanently</a>.\n\n` };
}

function toBlobError({ status, message }: RemoteError): Answer {
  const codes: Readonly<Record<number, string>> = {
    401: 'UNAUTHORIZED',
    403: 'FORBIDDEN',
    404: 'NOT_FOUND',
    429: 'TOO_MANY_REQUEST',
  };
  const code = codes[status];
  return code === undefined ? internalError : toError(status, code, message);
}

/** No digest, no ranges, a guessed type; when the upstream breaks off it ends like any other, with an error appended. */
async function toColdBlob(answer: IncomingMessage, gone: AbortSignal, release: () => void): Promise<Answer> {
  const parts = (answer as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const first = await parts.next().catch(() => ({ done: true as const, value: undefined }));
  const start = first.done === true ? Buffer.alloc(0) : first.value;
  const headers = { 'Content-Type': guessType(start) };
  const length = Number(answer.headers['content-length'] ?? 0);
  const write = async (outgoing: ServerResponse): Promise<void> => {
    let sent = start.length;
    try {
      await writePart(outgoing, start, gone);
      // Harbor notices that a client has left when it has something to write.
      for (let part = await parts.next(); part.done !== true && !gone.aborted; part = await parts.next()) {
        sent += part.value.length;
        await writePart(outgoing, part.value, gone);
      }
    } catch (error) {
      if (gone.aborted) throw error;
    } finally {
      answer.destroy();
      release();
    }
    outgoing.end(sent < length ? toErrorBody('UNKNOWN', 'internal server error') : undefined);
  };
  if (length > bufferedBytes) return { status: 200, headers, write };
  return { status: 200, headers: { ...headers, 'Content-Length': String(length) }, write };
}

async function writePart(outgoing: ServerResponse, part: Buffer, signal: AbortSignal): Promise<void> {
  if (!outgoing.write(part)) await once(outgoing, 'drain', { signal });
}

/** Go's DetectContentType, as far as layers and configs need it. */
function guessType(start: Buffer): string {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'application/x-gzip';
  const isText = !start.subarray(0, 512).some((byte) => byte < 0x20 && ![0x09, 0x0a, 0x0d].includes(byte));
  return isText ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}
