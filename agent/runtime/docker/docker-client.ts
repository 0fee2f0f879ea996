import { Agent, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';

import Docker from 'dockerode';

import { errorMessage, Failure } from '../../core/failure.ts';
import { runWithDeadline } from '../deadline.ts';

export interface DockerCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Goes into X-Registry-Auth. */
  readonly auth?: { readonly username: string; readonly password: string; readonly serveraddress: string };
}

/** What dockerd answered when it refused; the `cause` of the Failure that calls throw. */
export class DockerRefusal extends Error {
  override readonly name = 'DockerRefusal';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The HTTP status of dockerd's refusal; undefined for every other error. */
export function refusalStatus(error: unknown): number | undefined {
  return error instanceof Failure && error.cause instanceof DockerRefusal ? error.cause.status : undefined;
}

export interface DockerClient {
  /**
   * One call and its answer, parsed; undefined where the answer has no body.
   * @throws `signal.reason`; Failure `runtime` with a DockerRefusal as cause, or with detail `unavailable`.
   */
  call(call: DockerCall, timeoutMs: number, signal: AbortSignal): Promise<unknown>;
  /** The answer as a stream, which an abort destroys. @throws as `call` does. */
  open(call: DockerCall, signal: AbortSignal): Promise<Readable>;
  close(): void;
}

/**
 * dockerode's connection over a unix socket, without its methods: those cannot all be aborted, and never settle when dockerd dies
 * in the middle of an answer.
 */
export function createDockerClient(socketPath: string): DockerClient {
  const agent = new UninspectedAgent({ keepAlive: true });
  // `host` undefined: a DOCKER_HOST in the environment must not win over the endpoint.
  const options = { socketPath, host: undefined, protocol: 'http', agent } as const;
  const { modem } = new Docker(options);

  const open = (call: DockerCall, signal: AbortSignal): Promise<Readable> => {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      modem.dial(
        {
          path: call.query === undefined ? call.path : `${call.path}?`,
          method: call.method,
          headers: new UninspectedHeaders(),
          options: call.query === undefined ? undefined : { _query: call.query, _body: {} },
          authconfig: call.auth,
          isStream: true,
          statusCodes: { 200: true, 201: true, 204: true },
          abortSignal: signal,
        },
        (error, result) => {
          if (error !== null) reject(signal.aborted ? signal.reason : toFailure(error, socketPath));
          else resolve(result as IncomingMessage);
        },
      );
    });
  };

  return {
    open,
    call: (call, timeoutMs, signal) =>
      runWithDeadline(`docker: ${call.method} ${call.path}`, timeoutMs, signal, async (either) => {
        const body = await text(await open(call, either)).catch((error: unknown) => {
          throw error instanceof Failure ? error : toFailure(error, socketPath);
        });
        return body === '' ? undefined : parseBody(body);
      }),
    close: () => agent.destroy(),
  };
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Failure('runtime', 'docker answered with something that is not JSON', { cause: error });
  }
}

function toFailure(error: unknown, socketPath: string): Failure {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status === 'number') {
    const message = errorMessage(error).replace(/^\(HTTP code \d+\) [^-]* - /, '');
    return new Failure('runtime', message.trim(), { cause: new DockerRefusal(status, message.trim()) });
  }
  return new Failure('runtime', `docker does not answer on ${socketPath}: ${errorMessage(error)}`, {
    detail: 'unavailable',
    cause: error,
  });
}

/*
 * docker-modem formats the options of every request for its debug log, to any depth, whether that log is on or not: a walk through
 * all open sockets, and with DEBUG=modem the registry's password on standard error. Hence two classes that do not show themselves.
 */

class UninspectedAgent extends Agent {
  [inspect.custom](): string {
    return '[Agent]';
  }
}

class UninspectedHeaders implements Record<string, string> {
  [name: string]: string;

  static {
    Object.defineProperty(this.prototype, inspect.custom, { value: () => '[headers]' });
  }
}
