/**
 * Asks a registry what containerd 1.6 asks for one pull: HEAD of the reference, token, index, the platform's manifest, then config and layers,
 * three at once. Bodies are counted, not kept. Docker asks much the same.
 */

import { once } from 'node:events';
import { Agent as HttpAgent, type IncomingMessage, request as openHttp } from 'node:http';
import { Agent as HttpsAgent, request as openHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { Failure } from '../../../agent/core/failure.ts';

export interface ClientOptions {
  /** `http://host:port` */
  readonly url: string;
  readonly login: { readonly username: string; readonly password: string };
  readonly platform: { readonly os: string; readonly architecture: string };
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

interface Manifest {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

const atOnce = 3;
const accept = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json, */*',
].join(', ');

export class ContainerdClient {
  /** By kind: `HEAD manifest`, `GET blob`, `token`, … Each HTTP request counts, refused ones too. */
  readonly requests: Record<string, number> = {};
  /** Of config and layers that came whole. */
  bytes = 0;
  readonly #options: ClientOptions;
  readonly #agent: HttpAgent;
  readonly #whole = new Set<string>();
  #token: string | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    const isTls = options.url.startsWith('https:');
    this.#agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  /** What came whole in an earlier attempt is not fetched again. @param reference a tag or a digest. @throws Failure */
  async pull(repository: string, reference: string, signal: AbortSignal): Promise<void> {
    const head = await this.#ask('HEAD', repository, 'manifest', reference, signal);
    head.resume();
    const digest = head.headers['docker-content-digest'];
    // A cold tag of a proxy project may come without one: then it is asked for by its tag.
    const named = typeof digest === 'string' && digest !== '' ? digest : reference;
    let manifest = await this.#manifest(repository, named, signal);
    if (manifest.manifests !== undefined) {
      const { os, architecture } = this.#options.platform;
      const child = manifest.manifests.find(
        ({ platform }) => platform?.os === os && platform.architecture === architecture,
      );
      if (child === undefined) throw new Failure('no_platform', `${repository} has no ${os}/${architecture}`);
      manifest = await this.#manifest(repository, child.digest, signal);
    }
    const blobs = [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])];
    const waiting = blobs.filter((blob) => !this.#whole.has(blob.digest));
    const work = async (): Promise<void> => {
      for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
        await this.#fetch(repository, blob, signal);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  close(): void {
    this.#agent.destroy();
  }

  async #manifest(repository: string, reference: string, signal: AbortSignal): Promise<Manifest> {
    return JSON.parse(await text(await this.#ask('GET', repository, 'manifest', reference, signal))) as Manifest;
  }

  async #fetch(repository: string, blob: Descriptor, signal: AbortSignal): Promise<void> {
    const answer = await this.#ask('GET', repository, 'blob', blob.digest, signal);
    let bytes = 0;
    answer.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    await finished(answer);
    if (bytes !== blob.size) throw new Failure('upstream', `${blob.digest} has ${bytes} bytes, not ${blob.size}`);
    this.#whole.add(blob.digest);
    this.bytes += bytes;
  }

  async #ask(
    method: 'HEAD' | 'GET',
    repository: string,
    kind: 'manifest' | 'blob',
    reference: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const path = `/v2/${repository}/${kind}s/${reference}`;
    const send = (): Promise<IncomingMessage> => {
      const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
      return this.#send(`${method} ${kind}`, method, path, { accept, ...authorization }, signal);
    };
    let answer = await send();
    if (answer.statusCode === 401 && this.#token === undefined) {
      answer.resume();
      this.#token = await this.#logIn(String(answer.headers['www-authenticate']), signal);
      answer = await send();
    }
    if (answer.statusCode === 200) return answer;
    const words = method === 'HEAD' ? '' : (await text(answer)).slice(0, 200);
    answer.resume();
    throw new Failure('upstream', `${method} ${path}: ${answer.statusCode} ${words}`);
  }

  /** First by POST, as containerd does where it has a password: Harbor refuses that with 405. */
  async #logIn(challenge: string, signal: AbortSignal): Promise<string> {
    const parts = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
    );
    const { pathname } = new URL(parts['realm'] ?? '', this.#options.url);
    const query = new URLSearchParams({ service: parts['service'] ?? '', scope: parts['scope'] ?? '' });
    (await this.#send('token', 'POST', pathname, {}, signal)).resume();
    const { username, password } = this.#options.login;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const answer = await this.#send('token', 'GET', `${pathname}?${query.toString()}`, { authorization }, signal);
    return (JSON.parse(await text(answer)) as { token: string }).token;
  }

  async #send(
    kind: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const url = new URL(path, this.#options.url);
    const open = url.protocol === 'https:' ? openHttps : openHttp;
    for (;;) {
      const outgoing = open(url, {
        method,
        agent: this.#agent,
        signal,
        headers: { 'user-agent': 'containerd/1.6.20', ...headers },
      });
      outgoing.on('error', () => undefined);
      outgoing.end();
      try {
        const [answer] = (await once(outgoing, 'response', { signal })) as [IncomingMessage];
        this.requests[kind] = (this.requests[kind] ?? 0) + 1;
        answer.on('error', () => undefined);
        return answer;
      } catch (error) {
        // An idle connection that the other side has just closed: Go's client tries again on a new one.
        if (!outgoing.reusedSocket || signal.aborted) throw error;
      }
    }
  }
}
