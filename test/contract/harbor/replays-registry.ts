/** Recorded exchanges of `/service/token` and `/v2/` in ordinary projects, with who asked. */

import { htmlPage } from '../../harness/harbor/harbor.ts';
import type { Replay } from './replay.ts';
import { signTrusted } from './recorded-world.ts';

const named =
  (as: Replay['as']) =>
  (name: string): Replay => ({ name, ...(as === undefined ? {} : { as }) });

const anybody = [
  'token-anonymous-noscope',
  'token-anonymous-private',
  'token-anonymous-public',
  'token-post',
  'v2-absent-project-anonymous',
  'v2-challenge-manifest-get',
  'v2-challenge-manifest',
  'v2-challenge-public',
  'v2-challenge-root',
].map(named(undefined));

const pulling = [
  'blob-absent',
  'blob-get',
  'blob-head-304',
  'blob-head-absent',
  'blob-head',
  'blob-other-repo',
  'blob-range-bad',
  'blob-range-open',
  'blob-range',
  'manifest-304-head',
  'manifest-304',
  'manifest-get-child',
  'manifest-get-index-accept-manifest-only',
  'manifest-get-index-docker-accept',
  'manifest-get-index-no-accept',
  'manifest-get-list-no-accept',
  'manifest-get-list-oci-accept',
  'manifest-get-list-v2-accept',
  'manifest-get-tag',
  'manifest-head-tag',
  'referrers-empty',
  'token-absent-project',
  'token-bad-scope',
  'token-bad-service',
  'token-good-robot-noscope',
  'token-good-robot',
  'token-nested-repo',
  'token-no-service',
  'v2-absent-digest',
  'v2-absent-project-basic',
  'v2-absent-project',
  'v2-absent-repo',
  'v2-absent-tag-head',
  'v2-absent-tag',
  'v2-basic-direct-blob',
  'v2-basic-direct-manifest',
  'v2-catalog-denied',
  'v2-deleted-tag',
  'v2-root-good-basic',
  'v2-tags-list',
  'v2-wrong-project',
].map(named('pull'));

const refused = ['token-bad-robot-noscope', 'token-bad-robot-scope', 'v2-challenge-bad-basic', 'v2-root-bad-basic'].map(
  named('bad'),
);

const two = ['app/web', 'other/web'];

export const registryReplays: readonly Replay[] = [
  ...anybody,
  ...pulling,
  ...refused,
  { name: 'v2-token-empty-access', as: 'bad' },
  { name: 'v2-anonymous-token-public', as: 'anonymous' },
  { name: 'v2-challenge-bad-bearer', as: 'garbage' },
  { name: 'v2-challenge-expired-bearer', as: 'expired' },
  { name: 'v2-disabled-robot', as: 'disabled' },
  { name: 'v2-catalog-robot', as: 'system' },
  { name: 'v2-token-two-projects-a', as: 'system', scopes: two },
  { name: 'v2-token-two-projects-b', as: 'system', scopes: two },
  ...['redirect-blob-get', 'redirect-blob-head-absent', 'redirect-blob-head'].map(
    (name): Replay => ({
      name,
      before: ({ harbor }) => (harbor.installation.redirectsBlobs = true),
      after: ({ harbor }) => (harbor.installation.redirectsBlobs = false),
    }),
  ),
  {
    name: 'nginx-core-down',
    before: ({ harbor }) => (harbor.faults.answer = () => htmlPage(502)),
    after: ({ harbor }) => (harbor.faults.answer = undefined),
  },
];

const scanned = (status: 'Pending' | 'Success'): Pick<Replay, 'before' | 'after'> => ({
  before: ({ harbor }) => {
    for (const artifact of harbor.catalogue.repositories.get('pol/bad')?.artifacts.values() ?? []) {
      if (artifact.scan !== undefined) artifact.scan = { ...artifact.scan, status };
    }
  },
});

/** In this order: the index is signed in between. */
export const policyReplays: readonly Replay[] = [
  ...[
    'policy-api-artifact-unscanned',
    'policy-api-scan-overview-bad-child',
    'policy-api-scan-overview-bad',
    'policy-api-scan-overview-error',
    'policy-api-scan-overview-good',
    'policy-api-vulnerabilities',
    'policy-bad-get-child',
    'policy-bad-get-index',
    'policy-bad-head-child',
    'policy-bad-head-index',
    'policy-bad-inm',
    'policy-blob-not-checked',
    'policy-good-get-child',
    'policy-good-get-index',
    'policy-good-head-child',
    'policy-good-head-index',
    'policy-scan-error-get',
    'policy-unscanned-get-child',
    'policy-unscanned-get-index',
    'policy-unscanned-head-index',
    'policy-notation-get',
    'policy-cosign-get',
    'policy-cosign-get-child',
    'policy-cosign-head',
  ].map(named('system')),
  { name: 'policy-scan-pending', ...scanned('Pending') },
  { name: 'policy-scan-running-get', ...scanned('Pending') },
  {
    name: 'policy-no-scanner',
    before: ({ harbor }) => (harbor.installation.hasScanner = false),
    after: ({ harbor }) => (harbor.installation.hasScanner = true),
  },
  { name: 'policy-cosign-get-signed', before: signTrusted },
  ...[
    'policy-cosign-get-signed-child',
    'api-artifact-accessories-cosign',
    'api-artifact-with-accessory',
    'referrers-cosign-tag',
  ].map(named('system')),
];
