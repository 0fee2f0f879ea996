/** What the API server says when it says no, as a Failure. Its bodies are `Status` objects; proxies before it answer anything. */

import { Failure, type FailureCode, type FailureDetail } from '../core/failure.ts';
import { readRecord, readString } from './fields.ts';

/** Of a body that is no Status, at most this many characters are shown. */
const shownLength = 800;

const kinds: Readonly<Record<number, readonly [FailureCode, FailureDetail?]>> = {
  400: ['other', 'invalid'],
  401: ['auth'],
  403: ['auth', 'forbidden'],
  404: ['not_found'],
  408: ['timeout'],
  409: ['other', 'conflict'],
  413: ['other', 'invalid'],
  415: ['other', 'invalid'],
  422: ['other', 'invalid'],
  429: ['rate_limited'],
  504: ['timeout'],
};

export function toStatusFailure(status: number, body: string, retryAfterMs?: number): Failure {
  const [code, detail] = kinds[status] ?? ['other'];
  return new Failure(code, `the API server answers ${status}: ${toMessage(body)}`, { detail, retryAfterMs });
}

function toMessage(body: string): string {
  const text = readString(readRecord(parseJson(body))['message']) ?? body.trim();
  if (text === '') return 'without a word';
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

/** Undefined: it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
