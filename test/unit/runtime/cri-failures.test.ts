import { describe, expect, it } from 'vitest';
import { grpcCode, toFailure } from '../../../agent/runtime/grpc/status.ts';

const unknown = 2;
const resolving = (reference: string, rest: string): string =>
  `failed to pull and unpack image "${reference}": failed to resolve reference "${reference}": ${rest}`;

/** Messages as the runtimes write them; the first column is what must come out. */
const table: readonly (readonly [expected: string, code: number, details: string])[] = [
  // containerd 1.6
  [
    'auth/auth_failed',
    unknown,
    resolving('h:5/a:1', 'pulling from host h:5 failed with status code [manifests 1]: 401 Unauthorized'),
  ],
  [
    'auth/auth_failed',
    unknown,
    resolving('h:5/a:1', 'pulling from host h:5 failed with status code [manifests 1]: 403 Forbidden'),
  ],
  [
    'auth/auth_failed',
    unknown,
    resolving('h/a:1', 'failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized'),
  ],
  [
    'auth/auth_failed',
    unknown,
    resolving(
      'h/a:1',
      'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    ),
  ],
  [
    'policy/policy_blocked',
    unknown,
    resolving('h/a:1', 'pulling from host h failed with status code [manifests 1]: 412 Precondition Failed'),
  ],
  [
    'rate_limited',
    unknown,
    resolving('h/a:1', 'pulling from host h failed with status code [manifests 1]: 429 Too Many Requests'),
  ],
  [
    'upstream',
    unknown,
    resolving('h/a:1', 'pulling from host h failed with status code [manifests 1]: 500 Internal Server Error'),
  ],
  [
    'upstream/upstream_unhealthy',
    unknown,
    resolving('h/a:1', 'pulling from host h failed with status code [manifests 1]: 503 Service Unavailable'),
  ],
  [
    'upstream',
    unknown,
    resolving(
      'h/a:1',
      'failed to authorize: failed to fetch anonymous token: unexpected status: 500 Internal Server Error',
    ),
  ],
  ['network', unknown, resolving('h/a:1', 'failed to do request: Head "http://h/v2/a/manifests/1": EOF')],
  [
    'network',
    unknown,
    resolving(
      'h/a:1',
      'failed to do request: Head "http://h/v2/a/manifests/1": dial tcp 127.0.0.1:5999: connect: connection refused',
    ),
  ],
  [
    'network/dns',
    unknown,
    resolving(
      'h/a:1',
      'failed to do request: Head "https://h/v2/a/manifests/1": dial tcp: lookup h on 10.0.0.53:53: no such host',
    ),
  ],
  [
    'network',
    unknown,
    resolving('h/a:1', 'failed to do request: Head "https://h/v2/a/manifests/1": dial tcp 10.0.0.1:443: i/o timeout'),
  ],
  [
    'tls/tls_ca',
    unknown,
    resolving(
      'h/a:1',
      'failed to do request: Head "https://h/v2/a/manifests/1": x509: certificate signed by unknown authority',
    ),
  ],
  [
    'tls',
    unknown,
    resolving(
      'h/a:1',
      'failed to do request: Head "https://h/v2/a/manifests/1": http: server gave HTTP response to HTTPS client',
    ),
  ],
  [
    'tls',
    unknown,
    resolving('h/a:1', 'failed to do request: Head "https://h/v2/a/manifests/1": remote error: tls: handshake failure'),
  ],
  [
    'timeout',
    unknown,
    resolving('h/a:1', 'failed to do request: Head "https://h/v2/a/manifests/1": net/http: TLS handshake timeout'),
  ],
  ['not_found', grpcCode.notFound, resolving('h/a:1', 'h/a:1: not found')],
  [
    'no_platform',
    grpcCode.notFound,
    'failed to pull and unpack image "h/a:1": no match for platform in manifest: not found',
  ],
  [
    'no_space/disk_full',
    unknown,
    'failed to pull and unpack image "h/a:1": failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/x/data: no space left on device',
  ],
  [
    'no_space/disk_full',
    unknown,
    'failed to pull and unpack image "h/a:1": failed to extract layer sha256:aa: write /x: no space left on device: unknown',
  ],
  [
    'upstream/digest_mismatch',
    grpcCode.failedPrecondition,
    'failed to pull and unpack image "h/a:1": failed commit on ref "layer-sha256:aa": unexpected commit digest sha256:bb, expected sha256:aa: failed precondition',
  ],
  [
    'network',
    unknown,
    'failed to pull and unpack image "h/a:1": failed to copy: httpReadSeeker: failed open: failed to do request: Get "http://h/v2/a/blobs/sha256:aa": read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer',
  ],
  ['network', unknown, 'failed to pull and unpack image "h/a:1": failed to copy: unexpected EOF'],
  // containerd 1.7 and 2.1
  [
    'auth/auth_failed',
    unknown,
    'failed to pull and unpack image "h/a:1": failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
  ],
  [
    'no_platform',
    grpcCode.notFound,
    'get image config descriptor: no match for platform in manifest sha256:88ef: not found',
  ],
  [
    'not_found',
    grpcCode.notFound,
    'failed to pull and unpack image "h/a:1": failed to resolve image: h/a:1: not found',
  ],
  [
    'auth/auth_failed',
    unknown,
    resolving(
      'h/a:1',
      'failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://h/service/token: 401 Unauthorized',
    ),
  ],
  [
    'policy/policy_blocked',
    unknown,
    resolving('h/a:1', 'unexpected status from HEAD request to https://h/v2/a/manifests/1: 412 Precondition Failed'),
  ],
  [
    'rate_limited',
    unknown,
    'failed to pull and unpack image "h/a:1": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://h/v2/a/blobs/sha256:aa: 429 Too Many Requests\ntoomanyrequests: slow down',
  ],
  [
    'upstream/upstream_unhealthy',
    unknown,
    resolving('h/a:1', 'unexpected status from HEAD request to https://h/v2/a/manifests/1: 502 Bad Gateway'),
  ],
  // CRI-O
  [
    'auth/auth_failed',
    unknown,
    'initializing source docker://h/a:1: reading manifest 1 in h/a: unauthorized: authentication required',
  ],
  [
    'not_found',
    unknown,
    'initializing source docker://h/a:1: reading manifest 1 in h/a: manifest unknown: manifest unknown',
  ],
  [
    'network',
    unknown,
    'initializing source docker://h:1/a:1: pinging container registry h:1: Get "https://h:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  ],
  [
    'rate_limited',
    unknown,
    'initializing source docker://h/a:1: reading manifest 1 in h/a: toomanyrequests: slow down',
  ],
  // The socket itself
  [
    'runtime/unavailable',
    grpcCode.unavailable,
    'No connection established. Last error: Error: connect ENOENT /run/x.sock',
  ],
  ['runtime/unavailable', grpcCode.unavailable, 'Connection dropped'],
  ['runtime/unavailable', unknown, 'server is not initialized yet'],
  ['runtime', grpcCode.unimplemented, 'unknown service runtime.v1.ImageService'],
  ['timeout', grpcCode.deadlineExceeded, 'Deadline exceeded after 10.001s'],
  ['runtime', unknown, 'something nobody has seen'],
  ['other', unknown, 'failed to pull and unpack image "h/a:1": something nobody has seen'],
];

describe('a gRPC error', () => {
  it.each(table)('is %s: (%i) %s', (expected, code, details) => {
    const failure = toFailure({ code, details });
    expect([failure.code, ...(failure.detail === undefined ? [] : [failure.detail])].join('/')).toBe(expected);
  });

  it('is not judged by words in the name of the image, its host or its URL', () => {
    const reference = 'unauthorized.example.com:429/no-space-left/x509-toomanyrequests:412';
    const url = `https://unauthorized.example.com:429/v2/no-space-left/x509-toomanyrequests/manifests/412`;
    const failure = toFailure({
      code: unknown,
      details: resolving(reference, `failed to do request: Head "${url}": EOF`),
    });
    expect(failure.code).toBe('network');
    expect(toFailure({ code: grpcCode.notFound, details: resolving(reference, `${reference}: not found`) }).code).toBe(
      'not_found',
    );
  });

  it('shows no query string: object stores sign their URLs there', () => {
    const failure = toFailure({
      code: unknown,
      details: 'failed to copy: Get "https://s3.example.com/blob?X-Amz-Signature=secret": unexpected EOF',
    });
    expect(JSON.stringify([failure.message, failure.cause])).not.toContain('secret');
    expect(failure.message).toContain('https://s3.example.com/blob?…');
  });

  it.each([
    [
      grpcCode.unavailable,
      'No connection established. Last error: Error: connect ENOENT /run/x.sock. Resolution note: ',
      "nobody answers on the runtime's socket: connect ENOENT /run/x.sock",
    ],
    [
      grpcCode.deadlineExceeded,
      'Deadline exceeded after 10.002s,name resolution: 0.005s,metadata filters: 0.003s,Waiting for LB pick',
      'the runtime gave no answer within 10 s',
    ],
  ])('tells what the gRPC library saw in plain words: (%i) %s', (code, details, message) => {
    expect(toFailure({ code, details }).message).toBe(message);
  });

  it('passes on what is a Failure already', () => {
    const failure = toFailure({ code: unknown, details: 'x' });
    expect(toFailure(failure)).toBe(failure);
  });
});
