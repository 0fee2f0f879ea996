import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorMessage, Failure } from '../core/failure.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import {
  type ControlError,
  type ControlledAgent,
  fitsSocketPath,
  heartbeatMs,
  planPath,
  prunePath,
  pullPath,
  type RoundEvent,
  toControlError,
  toControlSocketPath,
} from './protocol.ts';
import { parsePruneBody, pruneBodyLimitBytes } from './prune-body.ts';

export interface ControlServer {
  /** Resolves once it listens; serves until the signal fires. The caller holds the state folder. @throws Failure `other` */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves once it is closed and its socket file is gone. */
  stop(): Promise<void>;
}

/**
 * Lets `stevedore plan`, `pull` and `prune` speak with the agent that holds the state folder: `GET /v1/plan` answers the plan
 * document, `POST /v1/pull` a stream of PullRoundEvents, `POST /v1/prune` with an order (prune-body.ts) one of PruneRoundEvents,
 * one JSON line each. Root only: the socket has mode 0600.
 */
export function createControlServer(stateDir: string, agent: ControlledAgent): ControlServer {
  const path = toControlSocketPath(stateDir);
  const running = new AbortController();
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    serve(request, response, agent, AbortSignal.any([gone.signal, running.signal])).catch(() => response.destroy());
  });

  const stop = async (): Promise<void> => {
    running.abort();
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.once('close', resolve));
    server.close();
    server.closeAllConnections();
    await closed;
  };

  return {
    start: async (signal) => {
      signal.throwIfAborted();
      if (!fitsSocketPath(path)) {
        const message = `the path of the control socket, ${path}, is longer than the 107 bytes that a socket may have: choose a shorter state folder`;
        throw new Failure('other', message);
      }
      // Left by an agent that was killed; whoever holds the state folder's lock knows that nobody listens on it.
      await rm(path, { force: true });
      await startListening(server, path);
      signal.addEventListener('abort', () => void stop(), { once: true });
      if (signal.aborted) await stop();
      signal.throwIfAborted();
    },
    stop,
  };
}

async function startListening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(new Failure('other', `cannot listen on ${path}: ${errorMessage(error)}`, { cause: error }));
    };
    server.once('error', fail);
    // bind(2) happens inside listen(), so the socket never exists with a wider mode, also in a folder that others may enter.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.removeListener('error', fail);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  agent: ControlledAgent,
  signal: AbortSignal,
): Promise<void> {
  const asked = `${request.method} ${request.url}`;
  try {
    if (asked === `GET ${planPath}`) return sendJson(response, 200, await agent.plan(signal));
    if (asked === `POST ${pullPath}`) {
      return await streamRound(response, (onEvent) => agent.followRound(onEvent, signal));
    }
    if (asked === `POST ${prunePath}`) return await servePrune(request, response, agent, signal);
  } catch (error) {
    return sendJson(response, 500, toControlError(error));
  }
  sendJson(response, 404, toControlError(new Failure('other', `this agent does not know ${asked}`)));
}

async function servePrune(
  request: IncomingMessage,
  response: ServerResponse,
  agent: ControlledAgent,
  signal: AbortSignal,
): Promise<void> {
  const body = await readBody(request, pruneBodyLimitBytes);
  if (body === undefined) {
    const message = `the prune request has more than ${pruneBodyLimitBytes} bytes`;
    return sendJson(response, 413, toControlError(new Failure('other', message)));
  }
  let order: ReturnType<typeof parsePruneBody>;
  try {
    order = parsePruneBody(body);
  } catch (error) {
    return sendJson(response, 400, toControlError(error));
  }
  await streamRound(response, (onEvent) => agent.pruneRound(order, onEvent, signal));
}

/** Undefined where it is larger. Then the rest is dropped as it comes: whoever still writes would not hear an answer. */
async function readBody(request: IncomingMessage, limitBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= limitBytes) chunks.push(chunk);
  }
  return bytes <= limitBytes ? Buffer.concat(chunks).toString() : undefined;
}

async function streamRound(
  response: ServerResponse,
  run: (onEvent: (event: RoundEvent) => void) => Promise<RoundOutcome>,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  const heartbeat = setInterval(() => response.write('\n'), heartbeatMs);
  const send = (line: RoundEvent | ControlError): void => {
    response.write(`${JSON.stringify(line)}\n`);
  };
  const onEvent = (event: RoundEvent): void => {
    // A reader that is stopped must not fill the agent's memory; the next sign of progress says all that this one did.
    if (event.kind === 'progress' && response.writableNeedDrain) return;
    send(event);
  };
  try {
    await run(onEvent);
  } catch (error) {
    if (!response.destroyed) send(toControlError(error));
  } finally {
    clearInterval(heartbeat);
    response.end();
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
