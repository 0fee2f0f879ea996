/** Requests of Harbor to a registry: its own storage, or an upstream. */

import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Readable } from 'node:stream';

export interface BackendRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Buffer | Readable | undefined;
  readonly signal?: AbortSignal | undefined;
}

const accepted = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export class Backend {
  readonly host: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 512 });
  readonly #end = new AbortController();

  constructor(host: string) {
    this.host = host;
  }

  /** @throws Error when nobody answers, or after `close` */
  async open(asked: BackendRequest): Promise<IncomingMessage> {
    try {
      return await this.#open(asked, this.#agent);
    } catch (error) {
      // Idle connections may end just when they are used again.
      const isReset = error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
      const isAgain = isReset && (asked.body === undefined || Buffer.isBuffer(asked.body));
      if (!isAgain || asked.signal?.aborted === true || this.#end.signal.aborted) throw error;
      return this.#open(asked, false);
    }
  }

  async #open(
    { method, path, headers = {}, body, signal }: BackendRequest,
    agent: Agent | false,
  ): Promise<IncomingMessage> {
    const ends = signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]);
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    const length = Buffer.isBuffer(body) ? { 'Content-Length': body.length } : {};
    const outgoing = request(`http://${this.host}${path}`, {
      method,
      agent,
      signal: ends,
      headers: { ...given, ...length },
    });
    // What comes after the answer is the answer's own.
    outgoing.on('error', () => undefined);
    const answered = once(outgoing, 'response', { signal: ends }) as Promise<[IncomingMessage]>;
    if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
    else {
      body.on('error', () => outgoing.destroy());
      body.pipe(outgoing);
    }
    const [incoming] = await answered;
    // Whoever reads it hears of a broken connection; nobody has to.
    incoming.on('error', () => undefined);
    return incoming;
  }

  async hasBlob(repository: string, digest: string): Promise<boolean> {
    const answer = await this.open({ method: 'HEAD', path: `/v2/${repository}/blobs/${digest}` });
    answer.resume();
    return answer.statusCode === 200;
  }

  async getManifest(
    repository: string,
    reference: string,
  ): Promise<{ content: Buffer; mediaType: string } | undefined> {
    const path = `/v2/${repository}/manifests/${reference}`;
    const answer = await this.open({ method: 'GET', path, headers: { accept: accepted } });
    const content = await readAll(answer);
    return answer.statusCode === 200 ? { content, mediaType: answer.headers['content-type'] ?? '' } : undefined;
  }

  async getBlob(repository: string, digest: string): Promise<Buffer | undefined> {
    const answer = await this.open({ method: 'GET', path: `/v2/${repository}/blobs/${digest}` });
    const content = await readAll(answer);
    return answer.statusCode === 200 ? content : undefined;
  }

  /** The registry verifies the digest. @throws Error when it refuses */
  async putBlob(
    repository: string,
    digest: string,
    body: Readable | Buffer,
    length: number | undefined,
  ): Promise<void> {
    const begun = await this.#succeed({ method: 'POST', path: `/v2/${repository}/blobs/uploads/` });
    const location = new URL(begun.headers.location ?? '', `http://${this.host}`);
    location.searchParams.set('digest', digest);
    await this.#succeed({
      method: 'PUT',
      path: `${location.pathname}${location.search}`,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Length': length === undefined ? undefined : String(length),
      },
      body,
    });
  }

  async putManifest(repository: string, reference: string, content: Buffer, mediaType: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${reference}`;
    await this.#succeed({ method: 'PUT', path, headers: { 'Content-Type': mediaType }, body: content });
  }

  async delete(repository: string, kind: 'blobs' | 'manifests', digest: string): Promise<void> {
    await this.#succeed({ method: 'DELETE', path: `/v2/${repository}/${kind}/${digest}` });
  }

  /** Ends what is under way. */
  close(): void {
    this.#end.abort();
    this.#agent.destroy();
  }

  async #succeed(wanted: BackendRequest): Promise<IncomingMessage> {
    const answer = await this.open(wanted);
    const text = (await readAll(answer)).toString();
    if ((answer.statusCode ?? 0) >= 300)
      throw new Error(`${wanted.method} ${wanted.path}: ${answer.statusCode} ${text}`);
    return answer;
  }
}

/** Manifests of all kinds, as Harbor asks its upstream. */
export const acceptedManifests = accepted;

export async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
