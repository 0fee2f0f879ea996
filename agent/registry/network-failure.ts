/** What undici, Node's sockets and TLS throw, as a Failure. Foreign errors are told apart by their `code`. */

import { errorMessage, Failure } from '../core/failure.ts';
import type { Endpoint } from './endpoint.ts';

const untrustedCodes: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_REJECTED',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_PURPOSE',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);
const timeoutCodes: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);
const plainAnswerCodes: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNKNOWN_PROTOCOL',
  'ERR_SSL_RECORD_LAYER_FAILURE',
]);

/** The message names hosts and files, never an address with its query: a redirect's may carry a signature. */
export function toNetworkFailure(error: unknown, url: URL, endpoint: Endpoint): Failure {
  if (error instanceof Failure) return error;
  const code = errorCode(error);
  const host = url.host;
  const cause = { cause: error };
  if (timeoutCodes.has(code)) return new Failure('timeout', `${host} does not answer in time (${code})`, cause);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new Failure('network', `the name ${url.hostname} cannot be resolved (${code})`, { ...cause, detail: 'dns' });
  }
  if (untrustedCodes.has(code)) {
    const hint =
      endpoint.caFile === undefined
        ? 'set "caFile" of the registry to its authority'
        : `it is not signed by an authority of caFile ${endpoint.caFile}`;
    return new Failure('tls', `the certificate of ${host} is not trusted (${code}): ${hint}`, {
      ...cause,
      detail: 'tls_ca',
    });
  }
  if (certificateCodes.has(code)) return new Failure('tls', `the certificate of ${host} is not valid (${code})`, cause);
  if (plainAnswerCodes.has(code)) {
    return new Failure('tls', `${host} does not speak TLS (${code}): set "plainHTTP" if that is meant`, cause);
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return new Failure('tls', `no TLS connection to ${host} (${code})`, cause);
  // undici gives its parser's errors no code of their own.
  if (code === 'HTTPParserError' || code.startsWith('HPE_')) {
    if (url.protocol === 'https:') return new Failure('upstream', `${host} does not answer in http`, cause);
    return new Failure('tls', `${host} does not answer in http: remove "plainHTTP" if it speaks TLS`, cause);
  }
  // What undici makes of a CONNECT that a proxy answers with anything but 200.
  if (code === 'UND_ERR_ABORTED')
    return new Failure('network', `the proxy gives no connection to ${host}: ${errorMessage(error)}`, cause);
  return new Failure('network', `no connection to ${host} (${code})`, cause);
}

/** The first code along `cause`, and inside what the attempts at several addresses threw. */
function errorCode(error: unknown): string {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'string') return one.code;
    if (one instanceof AggregateError && one.errors.length > 0) return errorCode(one.errors[0]);
  }
  return error instanceof Error ? error.name : 'unknown error';
}
