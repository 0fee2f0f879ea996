/** Recorded exchanges of the REST API, with who asked. */

import type { Replay } from './replay.ts';

/** Recorded before a scanner was registered. */
const unscanned: Pick<Replay, 'before' | 'after'> = {
  before: ({ harbor }) => (harbor.installation.hasScanner = false),
  after: ({ harbor }) => (harbor.installation.hasScanner = true),
};

const named =
  (as: Replay['as'], more: Partial<Replay> = {}) =>
  (name: string): Replay => ({ name, ...(as === undefined ? {} : { as }), ...more });

export const apiReplays: readonly Replay[] = [
  ...[
    'api-getcert-none',
    'api-ping',
    'api-project-absent-anonymous',
    'api-repositories-anonymous',
    'api-systeminfo-anonymous',
  ].map(named(undefined)),
  ...['api-health'].map(named(undefined, unscanned)),
  ...['api-repositories-bad-secret', 'api-systeminfo-bad-secret'].map(named('bad')),
  ...[
    'api-labels-pull-robot',
    'api-project-absent-project-robot',
    'api-project-get-pull-robot',
    'api-project-summary-pull-robot',
    'api-repositories-pull-robot',
    'api-robot-permissions-pull-only',
    'api-systeminfo-robot',
  ].map(named('pull')),
  ...[
    'api-artifact-absent-repo',
    'api-artifact-absent',
    'api-artifact-accessories-none',
    'api-artifact-tags',
    'api-artifacts-empty-page',
    'api-artifacts-label-and',
    'api-artifacts-page-100',
    'api-error-404-route',
    'api-labels-global',
    'api-labels-project',
    'api-link-unescaped',
    'api-project-artifacts-latest-bad-q',
    'api-project-artifacts',
    'api-project-get',
    'api-project-head-absent',
    'api-project-head-forbidden',
    'api-project-head',
    'api-project-other-robot',
    'api-project-summary-robot',
    'api-projects-robot',
    'api-repositories',
    'api-repository-nested',
    'api-robot-permissions',
    'nginx-repository-single-encoded',
    'robot-get-by-itself',
    'robot-list-as-robot',
  ].map(named('list')),
  ...[
    'api-artifact-child',
    'api-artifact-vulnerabilities-none',
    'api-artifacts-nested',
    'api-artifacts-q-bad',
    'api-artifacts-q-tags',
  ].map(named('list', unscanned)),
  { name: 'api-q-plus-double-encoded', as: 'list', lax: ['X-Total-Count'] },
  {
    name: 'api-repository-nested-single',
    as: 'list',
    before: ({ harbor }) => (harbor.installation.behindNginx = false),
    after: ({ harbor }) => (harbor.installation.behindNginx = true),
  },
  { name: 'api-project-summary-no-quota-read', as: 'tiny' },
  { name: 'api-project-summary-quota', as: 'system' },
  ...['api-project-absent-robot', 'registry-endpoint-robot', 'robot-get-by-system-robot'].map(named('system')),
  ...['api-project-absent-admin', 'api-project-digits', 'registry-endpoint-get', 'robot-get'].map(named('admin')),
  {
    name: 'robot-prefix-changed',
    as: 'admin',
    before: ({ harbor }) => (harbor.accounts.robotPrefix = 'bot-'),
    after: ({ harbor }) => (harbor.accounts.robotPrefix = 'robot$'),
  },
  {
    name: 'api-artifact-full',
    as: 'list',
    // Recorded before there were labels: it comes last.
    before: ({ harbor }) => {
      harbor.installation.hasScanner = false;
      for (const { artifacts } of harbor.catalogue.repositories.values())
        for (const { labels } of artifacts.values()) labels.length = 0;
    },
    after: ({ harbor }) => (harbor.installation.hasScanner = true),
  },
];
