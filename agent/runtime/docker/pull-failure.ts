import { Failure, type FailureCode, type FailureDetail } from '../../core/failure.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly detail?: FailureDetail;
}

/*
 * What dockerd writes, with graph drivers (20.10, 28) and with the containerd image store (28): both pass on the registry's and Go's
 * own words. Order counts where a text says two things: "no space left on device" comes inside "failed to register layer", Go's tls and
 * dns errors inside a text that names the dial.
 */
const rules: readonly Rule[] = [
  { pattern: /no space left on device|disk quota exceeded/i, code: 'no_space', detail: 'disk_full' },
  // Who cancels hears no more of it: dockerd itself stops, and from 26 on still finds time to say so. With the containerd image store
  // it is the write into the store that fails.
  { pattern: /context canceled|failed to send write/i, code: 'runtime', detail: 'unavailable' },
  { pattern: /failed to register layer|error processing tar|invalid tar header/i, code: 'runtime' },
  {
    pattern: /PROJECTPOLICYVIOLATION|due to configured policy|is not signed by (?:cosign|notation)/i,
    code: 'policy',
    detail: 'policy_blocked',
  },
  { pattern: /toomanyrequests|too many requests/i, code: 'rate_limited' },
  {
    pattern:
      /no matching manifest for|no match for platform|does not match the specified platform|operating system cannot be used/i,
    code: 'no_platform',
  },
  { pattern: /certificate signed by unknown authority|certificate is not trusted/i, code: 'tls', detail: 'tls_ca' },
  { pattern: /TLS handshake timeout|i\/o timeout|Client\.Timeout|deadline exceeded/i, code: 'network' },
  { pattern: /x509:|HTTP response to HTTPS client|\btls: /i, code: 'tls' },
  { pattern: /no such host|server misbehaving|temporary failure in name resolution/i, code: 'network', detail: 'dns' },
  {
    pattern: /filesystem layer verification failed|verification failed for digest|unexpected commit digest/i,
    code: 'other',
    detail: 'digest_mismatch',
  },
  {
    pattern: /bad gateway|service unavailable|gateway time-?out|internal server error/i,
    code: 'upstream',
    detail: 'upstream_unhealthy',
  },
  {
    pattern:
      /unauthorized|authentication required|no basic auth|(?<!permission )\bdenied\b|insufficient_scope|incorrect username/i,
    code: 'auth',
    detail: 'auth_failed',
  },
  { pattern: /manifest unknown|name unknown|name not known|not found|does not exist/i, code: 'not_found' },
  {
    pattern:
      /dial tcp|connection refused|connection reset|broken pipe|is unreachable|no route to host|proxyconnect|\bEOF\b|server closed|closed network connection/i,
    code: 'network',
  },
];

/** The registry's own status, where the message names it. */
const registryStatus = /(?:\bHTTP|\bstatus(?: code)?:?|status from \w+ request to \S+) (\d{3})\b/i;

/**
 * Why dockerd could not pull. On Docker Hub and on registries with its manners "pull access denied … repository does not exist or may
 * require 'docker login'" stands for absent and for forbidden alike: that is `auth`, since with the right credential it would say which.
 *
 * The message decides before dockerd's own status, which is 500 for most of what a registry says, and 404 for "pull access denied".
 * @param status HTTP status, or the code in an error line of the stream; undefined where there is none.
 */
export function toPullFailure(status: number | undefined, message: string): Failure {
  const said = registryStatus.exec(message)?.[1];
  const { code, detail } = toCause(said === undefined ? undefined : Number(said)) ??
    rules.find(({ pattern }) => pattern.test(message)) ??
    toCause(status === undefined || status >= 500 ? undefined : status) ?? { code: 'other' };
  return new Failure(code, message, { detail });
}

function toCause(status: number | undefined): Omit<Rule, 'pattern'> | undefined {
  switch (status) {
    case 401:
    case 403:
      return { code: 'auth', detail: 'auth_failed' };
    case 404:
      return { code: 'not_found' };
    case 412:
      return { code: 'policy', detail: 'policy_blocked' };
    case 429:
      return { code: 'rate_limited' };
    default:
      return status !== undefined && status >= 500 ? { code: 'upstream', detail: 'upstream_unhealthy' } : undefined;
  }
}
