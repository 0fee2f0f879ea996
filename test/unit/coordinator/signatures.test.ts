import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { host, interval, minute, noTags, ResolverWorld, toPattern } from './resolver-world.ts';

let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
});

afterEach(() => vi.useRealTimers());

const pass = (ms: number): void => {
  vi.advanceTimersByTime(ms);
};

describe('signatures', () => {
  const signature = { type: 'signature.cosign', digest: 'sha256:5' };

  test('that Harbor knows are asked for on the index and on the child of each platform', async () => {
    world.patterns = [toPattern({ repository: 'llm-a', signed: 'cosign' })];
    const image = world.push('app/llm-a', 'v1', 1, { accessories: [signature] });
    expect(await world.pattern()).toMatchObject({ members: [], excluded: [{ reason: 'not_signed' }] });
    world.harbor.put('app/llm-a', { digest: image.children[0]?.digest ?? '', accessories: [signature] });
    pass(interval + 61 * minute);
    expect((await world.pattern()).members).toEqual([`${host}/app/llm-a:v1`]);
    world.platforms = ['linux/amd64', 'linux/arm64'];
    expect((await world.pattern()).members).toEqual([]);
  });

  test('of the newest that lacks one: the next is taken', async () => {
    world.patterns = [toPattern({ repository: 'llm-a', signed: 'any', tags: { ...noTags, newest: 1 } })];
    for (const version of [1, 2, 3]) {
      const image = world.push('app/llm-a', `v${version}`, version, { accessories: [signature] });
      if (version < 3)
        world.harbor.put('app/llm-a', { digest: image.children[0]?.digest ?? '', accessories: [signature] });
    }
    expect((await world.pattern()).members).toEqual([`${host}/app/llm-a:v2`]);
  });

  test('are verified with keys, over the digest of the index and of the child', async () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    world.patterns = [toPattern({ repository: 'llm-a', signed: 'cosign', signedBy: [pem] })];
    const image = world.push('app/llm-a', 'v1', 1);
    const child = image.children[0]?.digest ?? '';
    const put = (digest: string, privateKey: typeof key.privateKey) => {
      const claim = {
        critical: {
          identity: {},
          image: { 'docker-manifest-digest': digest },
          type: 'cosign container image signature',
        },
        optional: null,
      };
      const payload = Buffer.from(JSON.stringify(claim));
      const made = {
        kind: 'simple',
        payload,
        signature: sign('sha256', payload, privateKey).toString('base64'),
      } as const;
      world.source.sign(`${host}/app/llm-a`, digest, made);
    };
    expect((await world.pattern()).excluded).toMatchObject([{ reason: 'not_signed' }]);
    put(image.digest, key.privateKey);
    put(child, stranger.privateKey);
    pass(2 * interval + minute);
    expect((await world.pattern()).excluded).toMatchObject([{ reason: 'signature_invalid' }]);
    put(child, key.privateKey);
    pass(2 * interval + minute);
    expect((await world.pattern()).members).toEqual([`${host}/app/llm-a:v1`]);
    const before = world.source.count('readSignatures');
    expect(before).toBeGreaterThan(0);
    pass(interval);
    await world.round();
    expect(world.source.count('readSignatures')).toBe(0);
  });

  test('that cannot be read keep what was taken before, and take nothing new', async () => {
    world.patterns = [toPattern({ repository: 'llm-a', signed: 'cosign' })];
    const first = world.push('app/llm-a', 'v1', 1, { accessories: [signature] });
    world.harbor.put('app/llm-a', { digest: first.children[0]?.digest ?? '', accessories: [signature] });
    await world.round();
    world.push('app/llm-a', 'v2', 2, { accessories: [signature] });
    world.harbor.fail('readArtifact', new Failure('network', 'away'));
    pass(interval);
    const pattern = await world.pattern();
    expect(pattern.members).toEqual([`${host}/app/llm-a:v1`]);
    expect(pattern.excluded).toMatchObject([{ reason: 'not_signed', message: expect.stringContaining('away') }]);
    expect(pattern.failure?.code).toBe('network');
  });
});
