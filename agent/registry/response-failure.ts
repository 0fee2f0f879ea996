/**
 * What a registry's refusal means: status and error code of the OCI distribution specification 1.1, and what Harbor 2.15.2 answers
 * beyond it. Bodies may be HTML or cut short, and may repeat what was sent to them: nothing of them is trusted.
 */

import { Failure } from '../core/failure.ts';
import type { HttpResponse } from './transport.ts';

export interface ErrorText {
  /** Upper case, as registries write it: `MANIFEST_UNKNOWN`, `DENIED`. */
  readonly code: string;
  readonly message: string;
}

const maxMessageLength = 500;

/** The first error of `{"errors":[{code,message}]}`; undefined for any other body. */
export function parseErrorText(body: Buffer): ErrorText | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null || !('errors' in document) || !Array.isArray(document.errors))
    return undefined;
  const first: unknown = document.errors[0];
  if (typeof first !== 'object' || first === null) return undefined;
  const code = 'code' in first && typeof first.code === 'string' ? first.code : '';
  const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
  return { code: printable(code), message: printable(message) };
}

/**
 * @param subject what was asked for, for the message: `harbor.example.com/app/web:v1`.
 * @param secrets are blanked out where the answer repeats them.
 */
export function toResponseFailure(
  response: HttpResponse,
  subject: string,
  secrets: readonly string[],
  now: number,
): Failure {
  const { status, url } = response;
  const error = parseErrorText(response.body);
  const said = error === undefined || error.message === '' ? '' : `: ${withoutSecrets(error.message, secrets)}`;
  const code = error?.code ?? '';
  const text = error?.message ?? '';
  const message = `${url.host} answers ${status} for ${subject}${said}`;
  const retryAfterMs = toRetryAfterMs(response.header('retry-after')[0], now);

  if (isUpstreamRefusal(response)) {
    return new Failure('upstream', `${message} (the upstream of the proxy project refuses it)`, {
      detail: 'upstream_unhealthy',
    });
  }
  switch (status) {
    case 401:
      if (isMissingProject(text)) return new Failure('not_found', message, { detail: 'project_missing' });
      if (hasEmptyChallenge(response)) {
        return new Failure('upstream', `${message} (it could not look up the project, or there is none)`);
      }
      return new Failure('auth', message, { detail: 'auth_failed' });
    case 403:
      if (/\bquota\b|exceed the configured upper limit/i.test(text)) return new Failure('quota', message);
      return new Failure('auth', message, { detail: 'auth_failed' });
    case 404:
      return toNotFound(code, text, message);
    case 408:
      return new Failure('timeout', message, { retryAfterMs });
    case 412:
      return new Failure('policy', message, {
        detail: code === 'PROJECTPOLICYVIOLATION' ? 'policy_blocked' : undefined,
      });
    case 429:
      return new Failure('rate_limited', message, { retryAfterMs });
    default:
      if (status >= 500) return new Failure('upstream', message, { retryAfterMs });
      if (status === 400 && url.protocol === 'http:' && /https/i.test(response.body.toString('latin1'))) {
        return new Failure('tls', `${url.host} expects TLS: remove "plainHTTP" of the registry`);
      }
      return new Failure(status >= 300 && status < 400 ? 'upstream' : 'other', message);
  }
}

/** Harbor passes on what the upstream of a proxy project said of Harbor's credentials; ours have nothing to do with it. */
export function isUpstreamRefusal({ status, body }: HttpResponse): boolean {
  return (status === 401 || status === 403) && /^http status code: \d+/.test(parseErrorText(body)?.message ?? '');
}

/** Harbor's 401 for a project that it does not find, and for one that its database did not tell about: logging in is not what helps. */
export function hasEmptyChallenge(response: HttpResponse): boolean {
  const challenge = response.header('www-authenticate');
  return response.status === 401 && challenge.length > 0 && challenge.every((value) => value.trim() === '');
}

/** "project nosuch not found: project nosuch not found", with status 401. */
function isMissingProject(text: string): boolean {
  return /^project \S+ not found/.test(text);
}

/**
 * Harbor says "repository … not found" or "artifact … not found" of what it does not hold itself. In a proxy project that may only mean
 * that the upstream did not answer; "resource not found: …" is the upstream's own word. Which kind of project it is cannot be seen here.
 */
function toNotFound(code: string, text: string, message: string): Failure {
  if (code === 'NOT_FOUND' && /^(?:repository|artifact) \S+ not found/.test(text)) {
    return new Failure('not_found', `${message} (in a proxy project also while its upstream is away)`, {
      detail: 'not_found_proxy',
    });
  }
  return new Failure('not_found', message);
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function toRetryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.filter((one) => one !== '').reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/** One line without control characters. */
function printable(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, maxMessageLength);
}
