/** What the double answers, before it is sent. */

import type { ServerResponse } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent unless the request was a HEAD; its length becomes Content-Length, also then. */
  readonly body?: Buffer | string;
  /** Instead of `body`: writes what follows the headers, and ends it. */
  readonly write?: (outgoing: ServerResponse, signal: AbortSignal) => Promise<void>;
}

const errorType = 'application/json; charset=utf-8';

/** Go's handlers send what exceeds this in chunks, without a Content-Length. */
const bufferedBytes = 2_048;

export function toError(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, headers: { 'Content-Type': errorType, ...headers }, body: toErrorBody(code, message) };
}

export function toErrorBody(code: string, message: string): string {
  return `${JSON.stringify({ errors: [{ code, message }] })}\n`;
}

export function notFound(message: string): Answer {
  return toError(404, 'NOT_FOUND', message);
}

export const tooManyRequests = toError(429, 'TOO_MANY_REQUEST', 'too many requests to upstream registry');
/** Harbor hides the text of every 5xx. */
export const internalError = toError(500, 'UNKNOWN', 'internal server error');

/** A success of the REST API: no charset, and chunked when it is long. */
export function toJson(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `${JSON.stringify(value)}\n`;
  const typed = { 'Content-Type': 'application/json', ...headers };
  if (body.length <= bufferedBytes) return { status: 200, headers: typed, body };
  return {
    status: 200,
    headers: typed,
    write: async (outgoing) => {
      outgoing.end(body);
    },
  };
}

export async function sendAnswer(
  outgoing: ServerResponse,
  method: string,
  { status, headers, body, write }: Answer,
  signal: AbortSignal,
): Promise<void> {
  if (write !== undefined && method !== 'HEAD') {
    outgoing.writeHead(status, headers);
    await write(outgoing, signal);
    return;
  }
  const length = body === undefined ? undefined : Buffer.byteLength(body);
  const known = length === undefined || 'Content-Length' in headers ? {} : { 'Content-Length': String(length) };
  outgoing.writeHead(status, { ...headers, ...known });
  // Without this Node adds a length or chunks of its own to what has neither.
  if (method === 'HEAD' || status === 304 || body === undefined) outgoing.end();
  else outgoing.end(body);
}
