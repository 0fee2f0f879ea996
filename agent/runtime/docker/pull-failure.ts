import { Failure, type FailureCode, type FailureDetail } from '../../core/failure.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly detail?: FailureDetail;
}

/*
 * What dockerd writes, graph drivers (20.10, 28) and the containerd image store (28) alike, since all of them pass on the registry's and
 * Go's own words. Order counts: a 412 or 429 is wrapped in texts that say "denied" or "not found" too, and Go's tls errors come in a
 * text that also names the dial.
 */
const rules: readonly Rule[] = [
  { pattern: /no space left on device|disk quota exceeded/i, code: 'no_space', detail: 'disk_full' },
  {
    pattern: /PROJECTPOLICYVIOLATION|\b412 Precondition Failed|status(?: code)?:? 412\b/i,
    code: 'policy',
    detail: 'policy_blocked',
  },
  {
    pattern: /due to configured policy|is not signed by (?:cosign|notation)/i,
    code: 'policy',
    detail: 'policy_blocked',
  },
  { pattern: /toomanyrequests|too many requests|status(?: code)?:? 429\b/i, code: 'rate_limited' },
  {
    pattern:
      /no matching manifest for|no match for platform|does not match the specified platform|operating system cannot be used/i,
    code: 'no_platform',
  },
  { pattern: /x509: certificate signed by unknown authority|x509: .*not trusted/i, code: 'tls', detail: 'tls_ca' },
  { pattern: /x509:|HTTP response to HTTPS client|remote error: tls|tls: (?!.*timeout)/i, code: 'tls' },
  { pattern: /TLS handshake timeout|i\/o timeout|Client\.Timeout|deadline exceeded/i, code: 'network' },
  { pattern: /no such host|server misbehaving|temporary failure in name resolution/i, code: 'network', detail: 'dns' },
  {
    pattern: /filesystem layer verification failed|verification failed for digest|unexpected commit digest/i,
    code: 'other',
    detail: 'digest_mismatch',
  },
  {
    pattern:
      /(?:unexpected HTTP status|status(?: code)?):? 5\d\d\b|bad gateway|service unavailable|gateway time-?out|internal server error/i,
    code: 'upstream',
    detail: 'upstream_unhealthy',
  },
  {
    pattern:
      /unauthorized|authentication required|no basic auth credentials|pull access denied|requested access to the resource is denied|insufficient_scope|incorrect username or password|status(?: code)?:? 40[13]\b|\bdenied:/i,
    code: 'auth',
    detail: 'auth_failed',
  },
  {
    pattern:
      /manifest unknown|name unknown|repository name not known|not found|does not exist|status(?: code)?:? 404\b/i,
    code: 'not_found',
  },
  {
    pattern:
      /dial tcp|connection refused|connection reset|broken pipe|network is unreachable|no route to host|proxyconnect|\bEOF\b|server closed|use of closed network connection/i,
    code: 'network',
  },
  { pattern: /failed to register layer|error processing tar|invalid tar header/i, code: 'runtime' },
];

const codesOfStatus: ReadonlyMap<number, FailureCode> = new Map([
  [401, 'auth'],
  [403, 'auth'],
  [404, 'not_found'],
  [412, 'policy'],
  [429, 'rate_limited'],
]);

/**
 * Why dockerd could not pull. The words decide before the status: dockerd answers 500 for most of what a registry says, and 404 for
 * "pull access denied".
 * @param status HTTP status, or the code in an error line of the stream; undefined where there is none.
 */
export function toPullFailure(status: number | undefined, message: string): Failure {
  const rule = rules.find(({ pattern }) => pattern.test(message));
  if (rule !== undefined) return new Failure(rule.code, message, { detail: rule.detail });
  const code = status === undefined ? undefined : codesOfStatus.get(status);
  return new Failure(code ?? 'other', message);
}
