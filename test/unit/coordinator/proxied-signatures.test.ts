import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { host, minute, ResolverWorld, toPattern } from './resolver-world.ts';

const day = 24 * 60 * minute;
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const fallback = new Failure('not_found', 'repository hub/lib/app not found', { detail: 'not_found_proxy' });

let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
});

afterEach(() => vi.useRealTimers());

function pushSigned(name: string, tag: string): void {
  const image = world.push(name, tag, Number(tag.slice(1)));
  for (const digest of [image.digest, image.children[0]?.digest ?? '']) {
    const claim = {
      critical: { identity: {}, image: { 'docker-manifest-digest': digest }, type: 'cosign container image signature' },
      optional: null,
    };
    const payload = Buffer.from(JSON.stringify(claim));
    const signature = sign('sha256', payload, key.privateKey).toString('base64');
    world.source.sign(`${host}/${name}`, digest, { kind: 'simple', payload, signature });
  }
}

/** Harbor does not hold the signatures, or not all, and says what it always says of what it does not hold. */
function loseSignatures(): void {
  world.source.unreadSignatures = fallback;
}

describe('signatures behind a proxy cache whose upstream is away', () => {
  beforeEach(async () => {
    world.patterns = [toPattern({ project: 'hub', repository: 'lib/app', signedBy: [pem] })];
    pushSigned('hub/lib/app', 'v1');
    await world.round();
    vi.advanceTimersByTime(day + minute);
  });

  test('are not missing: what was taken with them stays, and the pattern says what failed', async () => {
    loseSignatures();
    const pattern = await world.pattern();
    expect(pattern.members).toEqual([`${host}/hub/lib/app:v1`]);
    expect(pattern.failure).toMatchObject({ code: 'upstream', detail: 'upstream_unhealthy' });
  });

  test('nor for another leader, who never saw them', async () => {
    loseSignatures();
    const { patterns } = await world.round(world.restarted());
    expect([...patterns.values()]).toMatchObject([{ members: [`${host}/hub/lib/app:v1`] }]);
  });

  test('take nothing new, and are read as soon as it is back', async () => {
    pushSigned('hub/lib/app', 'v2');
    loseSignatures();
    expect(await world.pattern()).toMatchObject({
      members: [`${host}/hub/lib/app:v1`],
      excluded: [{ reference: `${host}/hub/lib/app:v2`, reason: 'not_signed' }],
    });
    world.source.unreadSignatures = undefined;
    vi.advanceTimersByTime(5 * minute);
    const { members, failure } = await world.pattern();
    expect(members).toEqual([`${host}/hub/lib/app:v1`, `${host}/hub/lib/app:v2`]);
    expect(failure).toBeUndefined();
  });

  test('are gone where the upstream itself says so', async () => {
    world.source.readSignatures = () => Promise.resolve([]);
    expect(await world.pattern()).toMatchObject({ members: [], excluded: [{ reason: 'not_signed' }] });
  });
});

test('an ordinary project says the same of what is not signed, and there it counts', async () => {
  world.patterns = [toPattern({ repository: 'llm-a', signedBy: [pem] })];
  pushSigned('app/llm-a', 'v1');
  await world.pattern();
  vi.advanceTimersByTime(day + minute);
  loseSignatures();
  const pattern = await world.pattern();
  expect(pattern).toMatchObject({ members: [], excluded: [{ reason: 'not_signed' }] });
  expect(pattern).not.toHaveProperty('failure');
});
