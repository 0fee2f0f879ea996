import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { amd64, arm64, host, interval, minute, ResolverWorld, toPattern } from './resolver-world.ts';

const reference = `${host}/app/llm:v1`;
const signature = { type: 'signature.cosign', digest: 'sha256:5' };
let world: ResolverWorld;
let passed: string;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
  world.patterns = [toPattern({ repository: 'llm', signed: 'cosign' })];
  const image = world.push('app/llm', 'v1', 1, { accessories: [signature] });
  world.harbor.put('app/llm', { digest: image.children[0]?.digest ?? '', accessories: [signature] });
  passed = image.digest;
});

afterEach(() => vi.useRealTimers());

/** Somebody pushes under the tag what nobody has signed; lists of artifacts do not say so yet. */
const move = (): void => {
  world.source.add(reference, fakeSourceIndex('another', [amd64, arm64]));
};

async function digestAfter(ms: number, resolver = world.resolver): Promise<string | undefined> {
  vi.advanceTimersByTime(ms);
  return (await world.round(resolver)).images.get(reference)?.digest;
}

describe('a signed member, whose tag moves to what is not signed', () => {
  test('stays the digest that has passed while Harbor cannot be asked what its tags are', async () => {
    await world.round();
    move();
    world.harbor.fail('listArtifacts', new Failure('upstream', '500'));
    expect(await digestAfter(interval)).toBe(passed);
    expect(await digestAfter(interval, world.restarted())).toBe(passed);
    expect(world.asked).not.toContain(`headManifest ${reference}`);
  });

  test('stays it while Harbor does not list it', async () => {
    await world.round();
    move();
    world.harbor.listRepositories = () => Promise.resolve([]);
    expect(await digestAfter(interval)).toBe(passed);
  });

  test('becomes it when the image could not be read before, whoever leads', async () => {
    world.source.faults.fail('*', new Failure('timeout', 'no answer'), 1);
    expect(await digestAfter(0)).toBeUndefined();
    const before = world.last;
    move();
    expect(await digestAfter(10 * minute)).toBe(passed);
    world.last = before;
    const next = world.restarted();
    next.assume(before, minute);
    expect(await digestAfter(0, next)).toBe(passed);
  });
});

test('a member of a pattern that looks at tags alone follows its tag while Harbor lists nothing', async () => {
  world.patterns = [toPattern({ repository: 'llm' })];
  await world.round();
  move();
  world.harbor.fail('listArtifacts', new Failure('upstream', '500'));
  expect(await digestAfter(interval)).not.toBe(passed);
});
