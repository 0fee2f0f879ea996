import { expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { noResolutions, type Resolutions } from '../../../agent/core/resolution.ts';
import { checkRetention } from '../../../agent/doctor/retention-check.ts';
import type { HarborRetentionRule } from '../../../agent/registry/harbor.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { findingsOf, toLine } from './findings.ts';

const host = 'harbor.example.com';
const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 21);
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const subject = `${host}/ml`;

const weekly: HarborRetentionRule = {
  template: 'nDaysSinceLastPull',
  parameters: { nDaysSinceLastPull: 7 },
  repositories: [{ decoration: 'repoMatches', pattern: '**' }],
  tags: [{ decoration: 'matches', pattern: '**' }],
  disabled: false,
};

function setUp(rules: readonly HarborRetentionRule[] = [weekly], rights = ['tag-retention:read', 'artifact:list']) {
  const harbor = new FakeHarbor(host);
  harbor.addProject('ml', { metadata: { retention_id: '5' } });
  harbor.addRobot('robot', 'secret', { ml: rights });
  harbor.retentions.set(5, { cron: '0 0 0 * * *', rules });
  const put = (tag: string, letter: string, pulledDaysAgo: number) => {
    const pulledAt = now - pulledDaysAgo * dayMs;
    const pushedAt = now - 90 * dayMs;
    harbor.put('ml/web', { digest: digest(letter), pushedAt, pulledAt, tags: [{ name: tag, pushedAt, pulledAt }] });
  };
  put('fresh', 'a', 1);
  put('old', 'b', 6);
  put('gone', 'c', 30);
  return harbor;
}

async function check(
  harbor: FakeHarbor,
  names: readonly string[],
  keepsAlive = false,
  resolutions: Resolutions = noResolutions,
) {
  const login = { host, credentials: [new Credential(host, 'robot', 'secret')] };
  const project = harbor.projects.get('ml');
  if (project === undefined) throw new Error('no project');
  const desired = new Set(names.map((name) => `${host}/ml/web${name}`));
  const parts = { harbor, login, desired, resolutions, keepsAlive, now: () => now };
  const found = await findingsOf((tell, signal) => checkRetention(parts, project, tell, signal));
  return { lines: found.map(toLine), advice: found.map((one) => one.advice) };
}

test('desired images that a rule is about to delete are told, with how long they have', async () => {
  const { lines, advice } = await check(setUp(), [':fresh', ':old', `@${digest('c')}`]);
  expect(lines).toEqual([
    `warning retention ${subject}: deletes the desired web@${digest('c')} by the next run (rule: pulled within the last 7 days)`,
    `warning retention ${subject}: deletes the desired web:old in 1 day (rule: pulled within the last 7 days)`,
  ]);
  expect(advice[0]).toContain('coordinator.keepAlive');
  expect((await check(setUp(), [':old'], true)).advice[0]).toContain('the coordinator pulls it by itself');
});

test('of a proxy cache, what is there without its tag is looked for by the digest that nodes pull', async () => {
  const harbor = setUp([weekly], ['tag-retention:read', 'artifact:list', 'artifact:read']);
  harbor.addProject('ml', { metadata: { retention_id: '5' }, upstreamId: 7 });
  const pulledAt = now - 5 * dayMs;
  harbor.put('ml/web', { digest: digest('d'), pushedAt: pulledAt, pulledAt });
  const platform = {
    platform: 'linux/amd64',
    digest: digest('d'),
    imageId: digest('e'),
    sizeBytes: 1,
    warm: 'warm',
  } as const;
  const reference = `${host}/ml/web:v1`;
  const image = { reference, digest: digest('f'), isProxied: true, platforms: [platform] };
  const resolutions = { images: new Map([[reference, image]]), patterns: new Map() };
  expect((await check(harbor, [':v1'], false, resolutions)).lines).toEqual([
    `warning retention ${subject}: deletes the desired web:v1 in 2 days (rule: pulled within the last 7 days)`,
  ]);
  harbor.addRobot('robot', 'secret', { ml: ['tag-retention:read', 'artifact:list'] });
  expect((await check(harbor, [':v1'], false, resolutions)).lines).toEqual([
    expect.stringMatching(/^not_checked .*without their tag .*artifact:read/),
    expect.stringMatching(/^ok /),
  ]);
});

test('what nobody desires may go', async () => {
  expect((await check(setUp(), [':fresh'])).lines).toEqual([
    `ok retention ${subject}: deletes none of the desired images next`,
  ]);
});

test('a policy that only runs by hand, and rules of a newer Harbor, are said', async () => {
  const harbor = setUp([{ ...weekly, template: 'byMoon', parameters: {} }, weekly]);
  harbor.retentions.set(5, {
    cron: undefined,
    rules: [weekly, { ...weekly, template: 'byMoon', repositories: [{ decoration: 'repoMatches', pattern: 'x' }] }],
  });
  expect((await check(harbor, [':old'])).lines).toEqual([
    expect.stringMatching(/^warning .*, which runs only by hand$/),
    `not_checked retention ${subject}: its rule byMoon is not known to this version`,
  ]);
});

test('a policy that may not be read is not checked; no policy is no finding; another failure is one', async () => {
  expect((await check(setUp([weekly], ['artifact:list']), [':old'])).lines).toEqual([
    expect.stringMatching(/^not_checked retention .*has a retention policy that cannot be read: .*tag-retention:read/),
  ]);
  expect((await check(setUp([weekly], ['tag-retention:read']), [':old'])).lines).toEqual([
    expect.stringMatching(/^not_checked .*artifact:list/),
  ]);
  const none = setUp();
  none.addProject('ml');
  expect((await check(none, [':old'])).lines).toEqual([]);
  const broken = setUp();
  broken.fail('readRetention', new Failure('upstream', '502'));
  await expect(check(broken, [':old'])).rejects.toThrow('502');
});

test('of very many the first are told, and how many more there are', async () => {
  const harbor = setUp();
  const tags = Array.from({ length: 8 }, (_, index) => `t${index}`);
  harbor.put('ml/web', {
    digest: digest('d'),
    pushedAt: 0,
    tags: tags.map((name) => ({ name, pushedAt: 0, pulledAt: undefined })),
  });
  const { lines } = await check(
    harbor,
    tags.map((tag) => `:${tag}`),
  );
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toBe(`warning retention ${subject}: 3 more desired images are under that policy`);
});
