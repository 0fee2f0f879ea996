import { describe, expect, it } from 'vitest';

import { toPullFailure } from '../../../agent/runtime/docker/pull-failure.ts';

const policy =
  `unknown: current image with "12" vulnerabilities cannot be pulled due to configured policy in 'Prevent images with ` +
  `vulnerability severity of "High" or higher from running.' To continue with pull, please contact your project administrator`;
const hubDenied =
  `pull access denied for team/x, repository does not exist or may require 'docker login': denied: ` +
  'requested access to the resource is denied';
const zstd = 'failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header';

describe('why a pull failed, from what dockerd 20.10 and 28 write', () => {
  it.each([
    [500, 'unauthorized: authentication required', 'auth', 'auth_failed'],
    [500, 'unauthorized', 'auth', 'auth_failed'],
    [500, 'Head "https://h/v2/x/manifests/1": no basic auth credentials', 'auth', 'auth_failed'],
    [500, 'unauthorized: unauthorized to access repository: ml/x, action: pull', 'auth', 'auth_failed'],
    [500, 'denied', 'auth', 'auth_failed'],
    [404, hubDenied, 'auth', 'auth_failed'],
    [500, "error parsing HTTP 403 response body: invalid character '<'", 'auth', 'auth_failed'],
    [500, 'Get "https://h/v2/": Get "https://h/service/token": status code 401', 'auth', 'auth_failed'],
    [404, 'manifest for h/x:1 not found: manifest unknown: manifest unknown', 'not_found', undefined],
    [500, 'manifest unknown', 'not_found', undefined],
    [500, 'name unknown: repository name not known to registry', 'not_found', undefined],
    [404, 'failed to resolve reference "h/x:1": h/x:1: not found', 'not_found', undefined],
    [500, 'toomanyrequests: You have reached your pull rate limit.', 'rate_limited', undefined],
    [500, "error parsing HTTP 429 response body: invalid character '<'", 'rate_limited', undefined],
    [500, policy, 'policy', 'policy_blocked'],
    [500, 'unknown: The image is not signed by cosign.', 'policy', 'policy_blocked'],
    [500, 'unexpected status from HEAD request to https://h/v2/: 412 Precondition Failed', 'policy', 'policy_blocked'],
    [500, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 'network', undefined],
    [500, 'Get "https://h/v2/": dial tcp: lookup h on 10.0.0.10:53: no such host', 'network', 'dns'],
    [500, 'Get "https://h/v2/": dial tcp 10.0.0.1:443: i/o timeout', 'network', undefined],
    [500, 'Get "https://h/v2/": net/http: TLS handshake timeout', 'network', undefined],
    [
      500,
      'Get "https://h/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
      'network',
      undefined,
    ],
    [500, 'Head "http://h/v2/x/manifests/1": EOF', 'network', undefined],
    [undefined, 'unexpected EOF', 'network', undefined],
    [undefined, 'read tcp 10.0.0.2:41->10.0.0.1:443: read: connection reset by peer', 'network', undefined],
    [500, 'Get "https://h/v2/": x509: certificate signed by unknown authority', 'tls', 'tls_ca'],
    [
      500,
      'Get "https://h/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      'tls',
      'tls_ca',
    ],
    [500, 'Get "https://h/v2/": x509: certificate has expired or is not yet valid', 'tls', undefined],
    [500, 'Get "https://h/v2/": http: server gave HTTP response to HTTPS client', 'tls', undefined],
    [500, 'Get "https://h/v2/": remote error: tls: handshake failure', 'tls', undefined],
    [undefined, 'write /var/lib/docker/tmp/GetImageBlob1: no space left on device', 'no_space', 'disk_full'],
    [
      undefined,
      'failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device',
      'no_space',
      'disk_full',
    ],
    [404, 'no matching manifest for linux/arm64/v8 in the manifest list entries', 'no_platform', undefined],
    [500, 'received unexpected HTTP status: 502 Bad Gateway', 'upstream', 'upstream_unhealthy'],
    [undefined, 'received unexpected HTTP status: 503 Service Unavailable', 'upstream', 'upstream_unhealthy'],
    [undefined, 'filesystem layer verification failed for digest sha256:00', 'other', 'digest_mismatch'],
    [undefined, zstd, 'runtime', undefined],
    [undefined, 'failed to register layer: mkdir /x: permission denied', 'runtime', undefined],
    [undefined, 'context canceled', 'runtime', 'unavailable'],
    [undefined, 'failed to copy: failed to send write: EOF', 'runtime', 'unavailable'],
    [
      undefined,
      'error creating lease: Canceled: grpc: the client connection is closing: context canceled',
      'runtime',
      'unavailable',
    ],
    [
      500,
      'failed to resolve reference "h/x:1": unexpected status from HEAD request to https://h/v2/x: 401 Unauthorized',
      'auth',
      'auth_failed',
    ],
    [400, 'invalid reference format', 'other', undefined],
    [404, 'no words that we know', 'not_found', undefined],
    [429, 'no words that we know', 'rate_limited', undefined],
    [500, 'no words that we know', 'other', undefined],
  ] as const)('%s %s', (status, message, code, detail) => {
    const failure = toPullFailure(status, message);
    expect({ code: failure.code, detail: failure.detail }).toEqual({ code, detail });
    expect(failure.message).toBe(message);
  });
});
