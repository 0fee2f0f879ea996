import { describe, expect, test } from 'vitest';
import { Credential } from '../../../agent/core/credentials.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { checkHarbor } from '../../../agent/doctor/harbor-check.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { findingsOf, tellOf } from './findings.ts';

const host = 'harbor.example.com';
const dayMs = 86_400_000;
const now = Date.UTC(2026, 10, 21);
const robot = new Credential(host, 'robot$ml+puller', 'secret');
const admin = new Credential(host, 'robot$reader', 'secret');

function setUp(): FakeHarbor {
  const harbor = new FakeHarbor(host);
  harbor.addProject('ml');
  harbor.addRobot('robot$ml+puller', 'secret', { ml: ['repository:pull'] });
  return harbor;
}

function check(harbor: FakeHarbor, credentials: readonly Credential[] = [robot]): Promise<string[]> {
  return tellOf((tell, signal) => checkHarbor({ harbor, login: { host, credentials }, now: () => now }, tell, signal));
}

test('a Harbor that is well, and a robot that it takes', async () => {
  expect(await check(setUp())).toEqual([
    `ok harbor ${host}: Harbor v2.15.2-fake`,
    `ok clock ${host}: Harbor's clock agrees with this node's`,
    `ok harbor_health ${host}: healthy: core`,
    `ok credential robot$ml+puller at ${host}: is accepted`,
    expect.stringMatching(/^not_checked robot .*told only to an account with robot:list/),
  ]);
});

test('one that does not answer ends it there, with advice that fits the reason', async () => {
  for (const [failure, advice] of [
    [new Failure('tls', 'not trusted', { detail: 'tls_ca' }), /caFile/],
    [new Failure('network', 'no connection'), /HTTPS_PROXY/],
    [new Failure('upstream', 'a web page'), /passes \/api\/v2\.0 on/],
  ] as const) {
    const harbor = setUp();
    harbor.fail('ping', failure);
    const found = await findingsOf((tell, signal) =>
      checkHarbor({ harbor, login: { host, credentials: [robot] }, now: () => now }, tell, signal),
    );
    expect(found).toEqual([
      {
        check: 'harbor',
        level: 'failure',
        subject: host,
        message: failure.message,
        advice: expect.stringMatching(advice),
      },
    ]);
  }
});

test('clocks apart by 10 s are worth a word, by a minute they break tokens, either way', async () => {
  const at = async (aheadMs: number) => {
    const harbor = setUp();
    harbor.aheadMs = aheadMs;
    return (await check(harbor)).find((line) => line.includes('clock'));
  };
  expect(await at(9_000)).toMatch(/^ok .*is 9 s ahead of/);
  expect(await at(-9_000)).toMatch(/^ok .*is 9 s behind/);
  expect(await at(-20_000)).toMatch(/^warning .*20 s behind/);
  expect(await at(61_000)).toMatch(/^failure .*61 s ahead/);
});

test('unhealthy components are failures, in their own words', async () => {
  const harbor = setUp();
  harbor.components = [
    { name: 'core', healthy: true, error: undefined },
    { name: 'jobservice', healthy: false, error: 'connection refused' },
    { name: 'redis', healthy: false, error: undefined },
  ];
  expect((await check(harbor)).filter((line) => line.includes('harbor_health'))).toEqual([
    `failure harbor_health ${host}: jobservice is unhealthy: connection refused`,
    `failure harbor_health ${host}: redis is unhealthy`,
    `ok harbor_health ${host}: healthy: core`,
  ]);
});

test('what breaks in one part is a finding, and the rest is looked at', async () => {
  const harbor = setUp();
  harbor.fail('system', new Failure('upstream', '502 for its version'));
  harbor.fail('health', new Failure('upstream', '502 for its health'));
  harbor.fail('acceptsCredential', new Failure('upstream', '502 for the login'));
  expect(await check(harbor)).toEqual([
    `failure harbor ${host}: 502 for its version`,
    `failure harbor_health ${host}: 502 for its health`,
    `failure credential robot$ml+puller at ${host}: 502 for the login`,
    expect.stringMatching(/^not_checked robot/),
  ]);
  const later = setUp();
  later.fail('listRobots', new Failure('upstream', '502 for the robots'));
  expect((await check(later)).at(-1)).toBe(`failure robot ${host}: 502 for the robots`);
});

describe('credentials', () => {
  test('without one only public projects can be pulled, and neither version nor clock is told', async () => {
    expect(await check(setUp(), [])).toEqual([
      `ok harbor ${host}: answers; it tells its version only to who is logged in`,
      expect.stringMatching(/^not_checked clock/),
      expect.stringMatching(/^ok harbor_health/),
      expect.stringMatching(/^warning credential .*only public projects/),
    ]);
  });

  test('a wrong one is a failure: Harbor answers 200 for its version all the same', async () => {
    const lines = await check(setUp(), [new Credential(host, 'robot$ml+puller', 'wrong')]);
    expect(lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^warning harbor .*only to who is logged in/),
      expect.stringMatching(/^not_checked clock/),
    ]);
    expect(lines).toContainEqual(expect.stringMatching(/^failure credential .*is refused/));
  });

  test('a name whose $ is gone is pointed at', async () => {
    const adviceFor = async (name: string) => {
      const login = { host, credentials: [new Credential(host, name, 'x')] };
      const found = await findingsOf((tell, signal) =>
        checkHarbor({ harbor: setUp(), login, now: () => now }, tell, signal),
      );
      return found.find(({ check: one }) => one === 'credential')?.advice;
    };
    expect(await adviceFor('robot+puller')).toContain('has no $');
    expect(await adviceFor('robot$ml+puller')).toContain('quote $ and +');
    expect(await adviceFor('jane')).toContain('quote $ and +');
  });

  test('no message has a secret', async () => {
    const found = await findingsOf((tell, signal) =>
      checkHarbor(
        { harbor: setUp(), login: { host, credentials: [robot, new Credential(host, 'a', 'hush')] }, now: () => now },
        tell,
        signal,
      ),
    );
    expect(JSON.stringify(found)).not.toMatch(/hush|"secret"/);
  });
});

describe('the end of a robot', () => {
  async function ends(expiresAt: number | undefined, disabled = false) {
    const harbor = setUp();
    harbor.addRobot('robot$reader', 'secret', { '/': ['robot:list'] });
    harbor.robotRecords = [
      { name: 'robot$ml+puller', disabled, expiresAt },
      { name: 'robot$ml+puller', disabled, expiresAt },
      { name: 'robot$other', disabled: false, expiresAt: now - dayMs },
    ];
    return (await check(harbor, [robot, admin])).filter((line) => line.includes(' robot '));
  }

  test('is told in days where it may be read, and only of our own', async () => {
    expect(await ends(undefined)).toEqual(['ok robot robot$ml+puller: never expires']);
    expect(await ends(now + 30.5 * dayMs)).toEqual(['ok robot robot$ml+puller: expires in 30 days']);
    expect(await ends(now + 1.5 * dayMs)).toEqual(['warning robot robot$ml+puller: expires in 1 day']);
    expect(await ends(now + 14 * dayMs)).toEqual(['warning robot robot$ml+puller: expires in 14 days']);
    expect(await ends(now - 1)).toEqual(['failure robot robot$ml+puller: has expired']);
    expect(await ends(undefined, true)).toEqual(['failure robot robot$ml+puller: is disabled']);
  });
});
