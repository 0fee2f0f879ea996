/**
 * Translates gRPC errors of containerd 1.6 to 2.x and CRI-O into Failures. Runtimes pass a registry's refusal on as text with
 * the code UNKNOWN, so the text has to be read: here and nowhere else.
 */

import { Failure, type FailureCode, type FailureDetail } from '../../core/failure.ts';

/** gRPC status codes (grpc.github.io, "Status codes and their use in gRPC"). */
export const grpcCode = {
  cancelled: 1,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
} as const;

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly detail?: FailureDetail;
}

/** The first rule that matches decides: the causes of a failure come before the words that containerd wraps around them. */
const rules: readonly Rule[] = [
  { pattern: /no space left on device|disk quota exceeded/, code: 'no_space', detail: 'disk_full' },
  {
    pattern: /projectpolicyviolation|412 precondition failed|due to configured policy/,
    code: 'policy',
    detail: 'policy_blocked',
  },
  { pattern: /server gave http response to https client/, code: 'tls' },
  { pattern: /x509|certificate/, code: 'tls', detail: 'tls_ca' },
  { pattern: /\btls\b(?!.*timeout)/, code: 'tls' },
  { pattern: /toomanyrequests|too many requests|\b429\b/, code: 'rate_limited' },
  {
    pattern: /no match for platform|no image found in (manifest list|image index)|no matching manifest/,
    code: 'no_platform',
  },
  {
    pattern: /failed commit on ref.*unexpected commit (digest|size)|wrong diff id/,
    code: 'upstream',
    detail: 'digest_mismatch',
  },
  {
    pattern:
      /insufficient_scope|unauthori[sz]ed|authentication required|authorization failed|access denied|access to the resource is denied|\bdenied\b|\b40[13]\b|forbidden|no basic auth credentials|invalid username/,
    code: 'auth',
    detail: 'auth_failed',
  },
  { pattern: /no such host|server misbehaving|temporary failure in name resolution/, code: 'network', detail: 'dns' },
  {
    pattern: /\b50[234]\b|bad gateway|service unavailable|gateway time-?out/,
    code: 'upstream',
    detail: 'upstream_unhealthy',
  },
  {
    pattern: /\b5\d\d\b (internal|[a-z ]*error)|status(?: code)?:? 5\d\d|received unexpected http status: 5/,
    code: 'upstream',
  },
  { pattern: /manifest unknown|name unknown|repository .*not known|\b404\b/, code: 'not_found' },
  {
    pattern:
      /connection (refused|reset)|broken pipe|no route to host|network is unreachable|host is down|unexpected eof|: eof\b|dial tcp|dial unix|http2: .*(lost|closed|goaway)|stream error/,
    code: 'network',
  },
  { pattern: /deadline exceeded|time-?out|timed out/, code: 'timeout' },
];

/** What a rule may not be fooled by: quoted parts, URLs and references can contain any word. */
function withoutNames(message: string): string {
  return message
    .replaceAll('i/o timeout', 'io timeout')
    .replace(/\\?"[^"]*"/g, ' ')
    .replace(/\S*[^\s/]\/[^\s/]\S*/g, (token) => (token.endsWith(':') ? ':' : ' '))
    .replace(/\S*:\/\/\S*/g, ' ')
    .replace(/sha256:[0-9a-f]+/g, ' ');
}

/** Query strings of redirects carry signatures of object stores. */
function withoutQueries(message: string): string {
  return message.replace(/(https?:\/\/[^\s"?\\]+)\?[^\s"\\]*/g, '$1?…');
}

/** What grpc-js (1.14) says itself, without the inner workings of its load balancer. */
function inPlainWords(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (?:Error: )?(.*?)(?:\. Resolution note: .*)?$/s, '$1')
    .replace(
      /^Deadline exceeded after ([\d.]+)s\b.*$/s,
      (_, seconds: string) => `the runtime gave no answer within ${Math.round(Number(seconds))} s`,
    );
}

interface StatusLike {
  readonly code: number;
  readonly details: string;
}

function isStatus(error: unknown): error is StatusLike {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

/** Any error of a call, as a Failure; `Failure`s come back as they are. Pure. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!isStatus(error)) return Failure.from(error, 'runtime');
  const message = withoutQueries(inPlainWords(error.details));
  const text = withoutNames(error.details).toLowerCase();
  // The kept cause is the status alone: a ServiceError drags the whole call's metadata along.
  const cause = { code: error.code, details: message };

  if (/server is not initialized yet/.test(text)) {
    return new Failure('runtime', 'the runtime is still starting', { detail: 'unavailable', cause });
  }
  const aboutPull =
    /failed to (pull|resolve|fetch|copy|unpack|extract|commit)|reading manifest|pinging container registry/;
  if (error.code === grpcCode.unavailable && !aboutPull.test(text)) {
    return new Failure('runtime', `nobody answers on the runtime's socket: ${message}`, {
      detail: 'unavailable',
      cause,
    });
  }
  if (error.code === grpcCode.unimplemented) {
    return new Failure('runtime', `the runtime does not offer this: ${message}`, { cause });
  }
  for (const rule of rules) {
    if (rule.pattern.test(text)) return new Failure(rule.code, message, { detail: rule.detail, cause });
  }
  if (error.code === grpcCode.notFound || /\bnot found\b/.test(text))
    return new Failure('not_found', message, { cause });
  if (error.code === grpcCode.deadlineExceeded) return new Failure('timeout', message, { cause });
  return new Failure(aboutPull.test(text) ? 'other' : 'runtime', message, { cause });
}

/** The gRPC status that a Failure was made from; undefined where it came from elsewhere. */
export function grpcCodeOf(error: unknown): number | undefined {
  return error instanceof Failure && isStatus(error.cause) ? error.cause.code : undefined;
}
