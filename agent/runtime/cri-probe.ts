import { connect as connectHttp2, constants, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectSocket } from 'node:net';

import { errorMessage } from '../core/failure.ts';
import { runWithDeadline } from './deadline.ts';
import type { ProbeAnswer } from './detection.ts';

const timeoutMs = 5_000;
const unimplemented = '12';

/**
 * Asks the CRI's `runtime.v1.RuntimeService/Version`. One gRPC call with an empty request, by Node's own HTTP/2: a Docker node
 * with a containerd beside it must not load a gRPC library to learn that. Only an abort rejects.
 */
export async function probeCri(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer> {
  try {
    return await runWithDeadline('CRI Version', timeoutMs, signal, (either) => version(socketPath, either));
  } catch (error) {
    signal.throwIfAborted();
    return { live: false, reason: errorMessage(error) };
  }
}

function version(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer> {
  const session = connectHttp2('http://localhost', { createConnection: () => connectSocket(socketPath) });
  const answer = new Promise<ProbeAnswer>((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request(
      {
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: '/runtime.v1.RuntimeService/Version',
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [constants.HTTP2_HEADER_TE]: 'trailers',
      },
      { signal },
    );
    const chunks: Buffer[] = [];
    let status: string | undefined;
    let message: string | undefined;
    // A refusal comes in the headers, anything else in the trailers.
    const readStatus = (headers: IncomingHttpHeaders): void => {
      status = headers['grpc-status']?.toString() ?? status;
      message = headers['grpc-message']?.toString() ?? message;
    };
    stream.on('response', readStatus);
    stream.on('trailers', readStatus);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The cause: what happened to the connection, instead of "the pending stream has been canceled".
    stream.on('error', (error: Error) => reject(error.cause ?? error));
    // `close`, not `end`: without an answer there is no end, and an aborted stream has only this.
    stream.on('close', () => {
      if (status === '0') resolve({ live: true, ...parseVersionResponse(Buffer.concat(chunks)) });
      else if (status === unimplemented) resolve({ live: false, reason: 'it has no CRI v1 service' });
      else
        reject(new Error(status === undefined ? 'it does not speak gRPC' : `gRPC status ${status}: ${message ?? ''}`));
    });
    // One frame: no compression, length 0.
    stream.end(Buffer.alloc(frameHeaderBytes));
  });
  return answer.finally(() => session.destroy());
}

const frameHeaderBytes = 5;
const runtimeNameField = 2;
const runtimeVersionField = 3;

/** Of the gRPC frame's protobuf message, whose fields are all strings: `(field << 3 | 2) length bytes`, each. */
function parseVersionResponse(frame: Buffer): { name: string; version: string } {
  const fields = new Map<number, string>();
  for (let at = frameHeaderBytes; at + 1 < frame.length; ) {
    const tag = frame.readUInt8(at);
    const length = frame.readUInt8(at + 1);
    // Longer than any version text, or not a string: this is not the message that the CRI defines.
    if ((tag & 7) !== 2 || length > 127) break;
    fields.set(tag >> 3, frame.toString('utf8', at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { name: fields.get(runtimeNameField) ?? '', version: fields.get(runtimeVersionField) ?? '' };
}
