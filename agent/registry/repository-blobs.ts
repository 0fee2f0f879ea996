/** Whether a registry holds a blob, and the two ways to make Harbor's proxy cache fetch one: opening it, and reading it to nowhere. */

import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../core/failure.ts';
import type { ManifestLayer } from '../core/manifest.ts';
import { BlobDigester } from './blob-digester.ts';
import { isRedirect } from './redirects.ts';
import type { RepositoryAccess, RepositoryRequest } from './repository-access.ts';
import { parseErrorText } from './response-failure.ts';
import type { HttpResponse, OpenResponse } from './transport.ts';

/** Bodies of refusals; of a success none is kept. */
const maxBytes = 64 * 1024;
/** Breaks in a row without a byte gained, after which a download is given up. */
const mostBarrenBreaks = 3;
/** Breaks in all: even a connection that gains a little each time has to end. */
const mostBreaks = 30;

export class RepositoryBlobs {
  readonly #access: RepositoryAccess;
  readonly #resumeDelayMs: number;

  /** @param resumeDelayMs before a broken download goes on */
  constructor(access: RepositoryAccess, resumeDelayMs: number) {
    this.#access = access;
    this.#resumeDelayMs = resumeDelayMs;
  }

  async has(digest: string): Promise<boolean> {
    const request = toRequest('HEAD', digest, { redirects: 'inRegistry' });
    const response = await this.#access.send(request);
    // Harbor redirects to its object storage also by HEAD, and only what is there.
    if (response.status === 200 || isRedirect(response)) return true;
    if (response.status === 404) return false;
    throw await this.#toFailure(response, digest, request);
  }

  async touch(digest: string): Promise<{ readonly headersMs: number }> {
    const request = toRequest('GET', digest, { redirects: 'inRegistry' });
    const response = await this.#access.open(request);
    response.breakOff();
    if (response.status >= 300 && !isRedirect(response)) throw await this.#toFailure(response, digest, request);
    return { headersMs: response.headersMs };
  }

  async discard(blob: ManifestLayer, onBytes: ((bytes: number) => void) | undefined): Promise<void> {
    const digester = new BlobDigester(blob, this.#access.subject(blob.digest));
    let barren = 0;
    for (let breaks = 0; ; ) {
      const before = digester.length;
      try {
        await this.#discardOnce(digester, blob, onBytes);
        return digester.finish();
      } catch (error) {
        this.#access.signal.throwIfAborted();
        const isBreak = error instanceof Failure && (error.code === 'network' || error.code === 'timeout');
        breaks += 1;
        barren = digester.length > before ? 0 : barren + 1;
        if (!isBreak || barren >= mostBarrenBreaks || breaks >= mostBreaks) throw error;
        await wait(this.#resumeDelayMs * 2 ** barren, undefined, { signal: this.#access.signal }).catch(
          () => undefined,
        );
        this.#access.signal.throwIfAborted();
      }
    }
  }

  async #discardOnce(
    digester: BlobDigester,
    blob: ManifestLayer,
    onBytes: ((bytes: number) => void) | undefined,
  ): Promise<void> {
    const from = digester.length;
    // What broke off behind the last byte is complete.
    if (from > 0 && from === blob.sizeBytes) return;
    const range = from === 0 ? {} : { range: `bytes=${from}-` };
    const request = toRequest('GET', blob.digest, range);
    const response = await this.#access.open(request);
    try {
      if (response.status === 416 && from > 0) {
        digester.restart();
        throw new Failure('network', `${response.url.host} does not go on at byte ${from} of ${blob.digest}`);
      }
      if (response.content === undefined) throw await this.#toFailure(response, blob.digest, request);
      if (from > 0 && !goesOnAt(response, from, blob.sizeBytes)) {
        // A registry need not know ranges: Harbor sends the whole blob as long as it is not local.
        digester.restart();
        if (response.status === 206) throw new Failure('network', `${response.url.host} sends another range`);
      }
      digester.expect(response.header('content-length')[0], response.status === 206);
      for await (const chunk of response.content) {
        onBytes?.(chunk.length);
        digester.add(chunk);
      }
    } finally {
      response.breakOff();
    }
  }

  /** Harbor's registry knows no blob that is not local, also where its proxy does not ask the upstream because that seems unhealthy. */
  async #toFailure(response: HttpResponse, digest: string, request: RepositoryRequest): Promise<Failure> {
    const failure = await this.#access.toFailure(response, this.#access.subject(digest), request);
    const isLocalAnswer = parseErrorText(response.body)?.code === 'BLOB_UNKNOWN';
    if (failure.code !== 'not_found' || !this.#access.isHarbor || !isLocalAnswer) return failure;
    return new Failure('not_found', `${failure.message} (in a proxy project also while its upstream is away)`, {
      detail: 'not_found_proxy',
    });
  }
}

function toRequest(
  method: 'GET' | 'HEAD',
  digest: string,
  more: Pick<RepositoryRequest, 'range' | 'redirects'>,
): RepositoryRequest {
  return { method, path: `blobs/${digest}`, operation: 'blob', maxBytes, isVerified: true, ...more };
}

function goesOnAt(response: OpenResponse, from: number, sizeBytes: number): boolean {
  if (response.status !== 206) return false;
  const found = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.header('content-range')[0] ?? '');
  if (found === null) return false;
  const [, first, last, all] = found;
  return Number(first) === from && Number(last) === sizeBytes - 1 && (all === '*' || Number(all) === sizeBytes);
}
