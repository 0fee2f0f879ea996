/** A plain client of an API server, for tests of the server itself: undici, and nothing of the agent. */

import { Agent, type Dispatcher } from 'undici';
import type { ApiObject } from '../../harness/api-server/api-server.ts';

export interface Target {
  readonly url: string;
  readonly ca: string;
}

/** An object, a list or a Status. */
export interface Body extends ApiObject {
  readonly message?: string;
  readonly code?: number;
  readonly items?: readonly ApiObject[];
}

export interface Answer {
  readonly status: number;
  /** What is no JSON is in `message`. */
  readonly body: Body;
  readonly contentType: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Body;
}

export interface OpenWatch {
  readonly status: number;
  readonly events: WatchEvent[];
  /** `end`: cleanly; else what broke it; `undefined` while it is open. */
  readonly ended: string | undefined;
  close(): void;
}

export interface Ask {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly token?: string | null;
  readonly accept?: string;
}

export const merge = 'application/merge-patch+json';
export const strategic = 'application/strategic-merge-patch+json';
export const jsonPatch = 'application/json-patch+json';

export class ApiClient {
  readonly #agent: Agent;
  readonly #url: string;
  readonly #token: string;

  constructor({ url, ca }: Target, token: string, options: { http1?: boolean } = {}) {
    this.#url = url;
    this.#token = token;
    this.#agent = new Agent({ allowH2: options.http1 !== true, connect: { ca }, bodyTimeout: 0, headersTimeout: 0 });
  }

  async ask(method: string, path: string, asked: Ask = {}): Promise<Answer> {
    const { statusCode, body, headers } = await this.#request(method, path, asked);
    const text = await body.text();
    const contentType = String(headers['content-type']);
    const parsed: unknown = contentType.includes('json') ? JSON.parse(text) : { message: text };
    return { status: statusCode, body: parsed as Body, contentType };
  }

  get(path: string): Promise<Answer> {
    return this.ask('GET', path);
  }

  patch(path: string, contentType: string, body: unknown): Promise<Answer> {
    return this.ask('PATCH', path, { contentType, body });
  }

  async watch(path: string, query: Record<string, string> = {}): Promise<OpenWatch> {
    const text = new URLSearchParams({ watch: 'true', ...query }).toString();
    const { statusCode, body } = await this.#request('GET', `${path}?${text}`, {});
    const events: WatchEvent[] = [];
    let ended: string | undefined;
    let rest = '';
    body.setEncoding('utf8');
    body.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      events.push(...lines.map((line) => JSON.parse(line) as WatchEvent));
    });
    body.on('end', () => (ended = 'end'));
    body.on('error', (error: Error & { code?: string }) => (ended ??= error.code ?? error.message));
    return {
      status: statusCode,
      events,
      get ended() {
        return ended;
      },
      close: () => void body.destroy(),
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #request(method: string, path: string, asked: Ask): Promise<Dispatcher.ResponseData> {
    const { body, contentType, token, accept = 'application/json' } = asked;
    const bearer = token === undefined ? this.#token : token;
    const bytes = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    return this.#agent.request({
      origin: this.#url,
      path,
      method,
      body: bytes,
      headers: {
        accept,
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(bytes === null ? {} : { 'content-type': contentType ?? 'application/json' }),
      },
    });
  }
}

/** Until it holds; a test's own time limit is the bound. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
