/**
 * One gRPC connection to a runtime's unix socket. The gRPC library is loaded at the first call, so that a node with Docker
 * never pays for it (18 MB resident).
 */

import type { Client, Metadata, ServiceError } from '@grpc/grpc-js';
import { Failure } from '../../core/failure.ts';
import { type Codec, createCodec } from './codec.ts';
import type { GrpcMethod, NamespaceDescriptor } from './descriptor.ts';
import { toFailure } from './status.ts';

export interface CallOptions {
  /** Limit of the whole call; undefined: 30 s; `none`: only the signal bounds it. */
  readonly deadlineMs?: number | 'none';
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GrpcClient {
  /** @throws Failure, or `signal.reason` after an abort, which also cancels the call at the server. */
  unary<Request extends object, Response extends object>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
    options?: CallOptions,
  ): Promise<Response>;

  /** A server stream; leaving the loop cancels the call. Throws like `unary`. */
  stream<Request extends object, Response extends object>(
    method: GrpcMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
    options?: CallOptions,
  ): AsyncIterable<Response>;

  /** Decodes a message by its full name (the payload of a google.protobuf.Any); undefined for a type that is not described. */
  decode(type: string, bytes: Buffer): unknown;

  close(): void;
}

const defaultDeadlineMs = 30_000;
/** 500 images are some 400 KB; this leaves room for nodes far beyond the default 4 MB. */
const maxReceiveBytes = 256 * 1024 * 1024;

interface Connection {
  readonly client: Client;
  readonly metadata: (headers: Readonly<Record<string, string>>) => Metadata;
}

/**
 * @param endpoint `unix:///run/containerd/containerd.sock`
 * @param headers sent with every call
 */
export function createGrpcClient(
  endpoint: string,
  descriptor: NamespaceDescriptor,
  headers: Readonly<Record<string, string>> = {},
): GrpcClient {
  const codec = createCodec(descriptor);
  let connection: Promise<Connection> | undefined;
  let opened: Connection | undefined;
  let closed = false;

  async function open(): Promise<Connection> {
    connection ??= connect(endpoint);
    opened = await connection;
    if (closed) opened.client.close();
    return opened;
  }

  async function prepare(method: GrpcMethod<object, object>, signal: AbortSignal, options: CallOptions) {
    signal.throwIfAborted();
    if (closed) throw new Failure('runtime', 'the connection to the runtime is closed', { detail: 'unavailable' });
    const { client, metadata } = await open();
    signal.throwIfAborted();
    return {
      client,
      call: toCall(codec, method),
      metadata: metadata({ ...headers, ...options.headers }),
    };
  }

  return {
    async unary(method, request, signal, options = {}) {
      const {
        client,
        call: { path, serialize, deserialize },
        metadata,
      } = await prepare(method, signal, options);
      return await new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          serialize,
          deserialize,
          request,
          metadata,
          deadlineOf(options),
          (error: ServiceError | null, response: object | undefined) => {
            signal.removeEventListener('abort', cancel);
            if (signal.aborted) reject(signal.reason as Error);
            else if (error !== null) reject(toFailure(error));
            else resolve(response as never);
          },
        );
        function cancel(): void {
          call.cancel();
        }
        signal.addEventListener('abort', cancel, { once: true });
      });
    },

    async *stream(method, request, signal, options = {}) {
      const {
        client,
        call: { path, serialize, deserialize },
        metadata,
      } = await prepare(method, signal, options);
      const call = client.makeServerStreamRequest(path, serialize, deserialize, request, metadata, deadlineOf(options));
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      try {
        for await (const item of call) yield item as never;
        signal.throwIfAborted();
      } catch (error) {
        signal.throwIfAborted();
        throw toFailure(error);
      } finally {
        signal.removeEventListener('abort', cancel);
        // A cancelled call may still report its end as an error; nobody listens any more.
        call.on('error', () => undefined);
        call.cancel();
      }
    },

    decode(type, bytes) {
      return codec.has(type) ? codec.decode(type, bytes) : undefined;
    },

    close() {
      closed = true;
      opened?.client.close();
    },
  };
}

async function connect(endpoint: string): Promise<Connection> {
  const grpc = await import('./library.ts');
  const client = new grpc.Client(endpoint, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxReceiveBytes,
    // The socket is local: look again soon after the runtime came back.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.default_authority': 'localhost',
    'grpc.enable_retries': 0,
  });
  return {
    client,
    metadata: (headers) => {
      const metadata = new grpc.Metadata();
      for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
      return metadata;
    },
  };
}

function deadlineOf({ deadlineMs = defaultDeadlineMs }: CallOptions): { deadline?: number } {
  return deadlineMs === 'none' ? {} : { deadline: Date.now() + deadlineMs };
}

function toCall(codec: Codec, { service, name, decodeAs }: GrpcMethod<object, object>) {
  const { request, response } = codec.method(service, name);
  return {
    path: `/${service}/${name}`,
    serialize: (value: object) => codec.encode(request, value),
    deserialize: (bytes: Buffer) => codec.decode(decodeAs ?? response, bytes),
  };
}
