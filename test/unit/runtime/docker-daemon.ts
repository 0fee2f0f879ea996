import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import type { Runtime } from '../../../agent/runtime/runtime.ts';

export type Answer = (response: ServerResponse, request: IncomingMessage, url: URL) => unknown;

export interface DockerDaemon extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly socketPath: string;
  /** `METHOD /path?query`, decoded, in order. */
  readonly requests: readonly string[];
  /** Closes every connection, as a daemon that dies does. */
  dieNow(): void;
}

/** A daemon on a unix socket that answers `METHOD /path` as told, and 404 else. `answerOf` is asked for what `answers` does not have. */
export async function startDockerDaemon(
  answers: Readonly<Record<string, Answer>>,
  answerOf?: (method: string, path: string) => Answer | undefined,
): Promise<DockerDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'dockerd-'));
  const socketPath = join(folder, 'docker.sock');
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://docker');
    requests.push(decodeURIComponent(`${request.method} ${url.pathname}${url.search}`));
    const answer =
      answers[`${request.method} ${url.pathname}`] ??
      answerOf?.(request.method ?? '', decodeURIComponent(url.pathname));
    if (answer === undefined) json({ message: `no such thing: ${url.pathname}` }, 404)(response, request, url);
    else answer(response, request, url);
  });
  server.listen(socketPath);
  await once(server, 'listening');
  const runtime = createDockerRuntime({ endpoint: `unix://${socketPath}` });
  return {
    runtime,
    socketPath,
    requests,
    dieNow: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      runtime.close();
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true });
    },
  };
}

export function json(body: unknown, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

/** Answers 200 and the lines, one chunk each. */
export function lines(...values: readonly object[]): Answer {
  return (response) => {
    for (const value of values) response.write(`${JSON.stringify(value)}\r\n`);
    response.end();
  };
}
