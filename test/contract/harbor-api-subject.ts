/** The Harbor that the contract of its REST API is tried on: the same projects, accounts and artifacts in the fake and behind the real client. */

import { Credential } from '../../agent/core/credentials.ts';
import type { Harbor, HarborLogin } from '../../agent/registry/harbor.ts';
import { createHarbor } from '../../agent/registry/harbor-api.ts';
import { FakeHarbor } from '../fakes/fake-harbor.ts';
import { resolverRights } from '../fakes/fake-harbor-content.ts';
import { fakeDigest } from '../fakes/fake-registry.ts';
import { parseRights, startHarbor } from '../harness/harbor/harbor.ts';
import { buildImage, buildIndex, buildLayer } from '../harness/images.ts';

/** `resolver`: what the resolving account has in `ml`; `system`: what a robot of the whole system has; `puller`: pulls from `ml` and no more. */
export type Account = 'resolver' | 'system' | 'puller' | 'wrong';

export interface HarborSubject {
  readonly harbor: Harbor;
  readonly host: string;
  /** None: anonymous. */
  login(...accounts: readonly Account[]): HarborLogin;
  readonly digests: Readonly<Record<'v1' | 'v2' | 'nested' | 'open', string>>;
  remove(): Promise<void>;
}

export const pushedAt = { v1: Date.parse('2026-10-01T08:00:00Z'), v2: Date.parse('2026-11-01T08:00:00Z') };
export const quotaBytes = 5_000_000;

const systemRights = ['registry:read', 'robot:list', 'robot:read', 'project:list'];
const names: Record<Account, string> = {
  resolver: 'robot$ml+resolver',
  system: 'robot$sys',
  puller: 'robot$ml+puller',
  wrong: 'robot$ml+resolver',
};

function loginWith(host: string, secrets: Readonly<Record<Account, string>>): HarborSubject['login'] {
  return (...accounts) => ({
    host,
    credentials: accounts.map((account) => new Credential(host, names[account], secrets[account])),
  });
}

export function makeFakeSubject(): HarborSubject {
  const host = 'harbor.example.com';
  const harbor = new FakeHarbor(host);
  const secrets = { resolver: 'a', system: 'b', puller: 'c', wrong: 'd' };
  harbor.addRobot(names.resolver, secrets.resolver, { ml: [...resolverRights, 'tag-retention:read', 'label:list'] });
  harbor.addRobot(names.puller, secrets.puller, { ml: ['repository:pull'] });
  harbor.addRobot(names.system, secrets.system, { '/': systemRights, '*': ['project:read', 'artifact:list'] });
  harbor.addProject('ml', {
    metadata: { public: 'false', retention_id: '1' },
    quota: { usedBytes: 1_000, hardBytes: quotaBytes },
  });
  harbor.addProject('open', { isPublic: true });
  harbor.addProject('px', { upstreamId: 1 });
  harbor.addProject('hidden');
  harbor.upstreams.set(1, { name: 'up', url: 'https://upstream.example', status: 'healthy' });
  harbor.robotRecords = [{ name: names.system, disabled: false, expiresAt: undefined }];
  const selector = [{ decoration: 'repoMatches', pattern: '**' }];
  const parameters = { nDaysSinceLastPull: 7 };
  harbor.retentions.set(1, {
    cron: '0 0 0 * * *',
    rules: [
      {
        template: 'nDaysSinceLastPull',
        parameters,
        repositories: selector,
        tags: [{ decoration: 'matches', pattern: '**' }],
        disabled: false,
      },
    ],
  });
  const digests = {
    v1: fakeDigest('v1'),
    v2: fakeDigest('v2'),
    nested: fakeDigest('nested'),
    open: fakeDigest('open'),
  };
  for (const version of ['v1', 'v2'] as const) {
    harbor.put('ml/llm', {
      digest: digests[version],
      pushedAt: pushedAt[version],
      tags: [{ name: version, pushedAt: pushedAt[version], pulledAt: undefined }],
      labels: version === 'v2' ? ['prod', 'edge'] : ['edge'],
      scan: version === 'v2' ? { status: 'Success', severity: 'High' } : undefined,
      children:
        version === 'v2'
          ? [{ digest: fakeDigest('child'), os: 'linux', architecture: 'amd64', variant: undefined }]
          : [],
    });
  }
  harbor.put('ml/team/a/web', {
    digest: digests.nested,
    tags: [{ name: 'v1', pushedAt: pushedAt.v1, pulledAt: undefined }],
  });
  harbor.put('open/tool', { digest: digests.open, tags: [{ name: 'v1', pushedAt: 0, pulledAt: undefined }] });
  return { harbor, host, login: loginWith(host, secrets), digests, remove: () => harbor.close() };
}

/** The real client, on the Harbor of the tests. */
export async function startClientSubject(): Promise<HarborSubject> {
  const double = await startHarbor();
  const { host } = double;
  const ml = double.addProject('ml', { metadata: { public: 'false' } });
  ml.quotaBytes = quotaBytes;
  double.retain(ml, [{ template: 'nDaysSinceLastPull', params: { nDaysSinceLastPull: 7 } }], '0 0 0 * * *');
  double.addProject('open', { metadata: { public: 'true' } });
  double.addProject('px', { proxyOf: double.upstream });
  double.addProject('hidden');
  const resolver = parseRights('repository:pull', ...resolverRights, 'tag-retention:read', 'label:list');
  double.addRobot({ name: 'resolver', project: 'ml', secret: 'a', permissions: resolver });
  double.addRobot({ name: 'puller', project: 'ml', secret: 'c', permissions: parseRights('repository:pull') });
  double.addRobot({
    name: 'sys',
    secret: 'b',
    permissions: [
      { kind: 'system', namespace: '/', access: parseRights(...systemRights) },
      { kind: 'project', namespace: '*', access: parseRights('project:read', 'artifact:list') },
    ],
  });
  const image = (seed: string) => buildImage({ layers: [buildLayer({ seed, sizeBytes: 2_000 })] });
  const v1 = await double.push('ml/llm', 'v1', image('v1'), new Date(pushedAt.v1));
  const v2 = await double.push('ml/llm', 'v2', buildIndex([image('v2')]), new Date(pushedAt.v2));
  const nested = await double.push('ml/team/a/web', 'v1', image('nested'));
  const open = await double.push('open/tool', 'v1', image('open'));
  const [prod, edge] = [double.addLabel('prod'), double.addLabel('edge', ml)];
  double.artifact('ml/llm', 'v1').labels.push(edge);
  double.artifact('ml/llm', 'v2').labels.push(prod, edge);
  double.artifact('ml/llm', 'v2').scan = { status: 'Success', severity: 'High', counts: { High: 1 } };
  const settings = { host, plainHTTP: true, insecureSkipVerify: false, caFile: undefined, tokenHosts: [] };
  const harbor = createHarbor({ registries: () => [settings] });
  return {
    harbor,
    host,
    login: loginWith(host, { resolver: 'a', system: 'b', puller: 'c', wrong: 'd' }),
    digests: { v1: v1.digest, v2: v2.digest, nested: nested.digest, open: open.digest },
    async remove() {
      await harbor.close();
      await double.remove();
    },
  };
}
