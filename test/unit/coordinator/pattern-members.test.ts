import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { parseResolvedText, toResolvedTexts, joinResolved } from '../../../agent/core/resolved-document.ts';
import type { RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import type { HarborArtifact, HarborScan } from '../../../agent/registry/harbor.ts';
import { host, interval, noTags, ResolverWorld, toPattern } from './resolver-world.ts';

let world: ResolverWorld;

beforeEach(() => {
  vi.useFakeTimers();
  world = new ResolverWorld();
});

afterEach(() => vi.useRealTimers());

/** The next round, an interval later. */
async function next() {
  vi.advanceTimersByTime(interval);
  return world.pattern();
}

/** As another leader would do it, which has only what was published. */
async function nextLeader() {
  vi.advanceTimersByTime(interval);
  world.last = joinResolved(toResolvedTexts(world.last).texts.map(parseResolvedText));
  await world.round(world.restarted());
  return [...world.last.patterns.values()][0];
}

function change(name: string, to: (artifact: HarborArtifact) => HarborArtifact | undefined): void {
  const [project = '', ...rest] = name.split('/');
  const { repositories } = world.harbor.projects.get(project) ?? { repositories: new Map<string, HarborArtifact[]>() };
  const key = rest.join('/');
  repositories.set(
    key,
    (repositories.get(key) ?? []).flatMap((artifact) => to(artifact) ?? []),
  );
}

const rescan = (name: string, scan: HarborScan | undefined) => change(name, (artifact) => ({ ...artifact, scan }));

/** Harbor forgets a tag: its retention does, behind a proxy while the upstream still has it. */
const unlist = (name: string, tag: string) =>
  change(name, (artifact) => (artifact.tags.some((one) => one.name === tag) ? undefined : artifact));

const passed: HarborScan = { status: 'Success', severity: 'Low' };

describe('a member whose scan let it through', () => {
  const llm = (tag: string) => `${host}/app/llm:${tag}`;
  const states: [string, HarborScan | undefined][] = [
    ...['Pending', 'Scheduled', 'Running', 'Error', 'Stopped'].map((status): [string, HarborScan] => [
      status,
      { status, severity: undefined },
    ]),
    ['gone with its scanner', undefined],
  ];

  beforeEach(() => {
    world.patterns = [toPattern({ repository: 'llm', maxSeverity: 'high', tags: { ...noTags, newest: 1 } })];
    world.push('app/llm', 'v1', 1, { scan: passed });
    world.push('app/llm', 'v2', 2, { scan: passed });
  });

  test.each(states)('stays while its scan is %s, and the record says why', async (_, scan) => {
    expect((await world.pattern()).members).toEqual([llm('v2')]);
    rescan('app/llm', scan);
    const record = await next();
    expect(record.members).toEqual([llm('v2')]);
    expect(record).not.toHaveProperty('failure');
    expect(record.kept).toEqual([
      {
        reference: llm('v2'),
        reason: 'not_scanned',
        message: expect.stringContaining('its last finished scan let it'),
      },
    ]);
    expect((await nextLeader())?.members).toEqual([llm('v2')]);
    rescan('app/llm', passed);
    expect(await next()).not.toHaveProperty('kept');
  });

  test('stays only while it is the same image', async () => {
    await world.round();
    unlist('app/llm', 'v2');
    change('app/llm', (artifact) => ({ ...artifact, scan: passed }));
    world.push('app/llm', 'v2', 3, { scan: { status: 'Running', severity: undefined } });
    const other = world.harbor.put('app/llm', { digest: `sha256:${'9'.repeat(64)}` });
    change('app/llm', (artifact) =>
      artifact.tags.some(({ name }) => name === 'v2') ? { ...artifact, digest: other.digest } : artifact,
    );
    expect((await next()).members).toEqual([llm('v1')]);
  });

  test('goes when a scan finds too much, and what never had a finished scan does not come', async () => {
    world.push('app/llm', 'v3', 3, { scan: { status: 'Running', severity: undefined } });
    expect((await world.pattern()).members).toEqual([llm('v2')]);
    rescan('app/llm', { status: 'Running', severity: undefined });
    expect((await next()).members).toEqual([llm('v2')]);
    rescan('app/llm', { status: 'Running', severity: 'Critical' });
    expect(await next()).toMatchObject({ members: [], excluded: [{ reason: 'severity' }, {}, {}] });
  });

  test('stays behind a proxy cache, whose list has another digest of its index', async () => {
    const box = `${host}/hub/library/busybox:1`;
    world.patterns = [toPattern({ project: 'hub', repository: 'library/busybox', maxSeverity: 'high' })];
    world.push('hub/library/busybox', '1', 1, { scan: passed });
    expect((await world.pattern()).members).toEqual([box]);
    change('hub/library/busybox', (artifact) =>
      artifact.tags.length === 0
        ? artifact
        : { ...artifact, digest: `sha256:${'7'.repeat(64)}`, scan: { status: 'Error', severity: undefined } },
    );
    expect((await next()).members).toEqual([box]);
    change('hub/library/busybox', (artifact) => ({
      ...artifact,
      children: artifact.children.map((child) => ({ ...child, digest: `sha256:${'8'.repeat(64)}` })),
    }));
    expect((await next()).members).toEqual([]);
  });
});

test('a tag that moved while signatures cannot be read is not taken', async () => {
  const signature = { type: 'signature.cosign', digest: 'sha256:5' };
  world.patterns = [toPattern({ repository: 'llm', signed: 'cosign' })];
  const first = world.push('app/llm', 'v1', 1, { accessories: [signature] });
  world.harbor.put('app/llm', { digest: first.children[0]?.digest ?? '', accessories: [signature] });
  expect((await world.pattern()).members).toHaveLength(1);
  change('app/llm', (artifact) =>
    artifact.tags.length === 0 ? artifact : { ...artifact, digest: `sha256:${'9'.repeat(64)}` },
  );
  world.harbor.fail('readArtifact', new Failure('network', 'away'));
  expect(await next()).toMatchObject({ members: [], excluded: [{ reason: 'not_signed' }] });
});

describe('the newest of what a cache lists and forgets', () => {
  const name = 'hub/library/busybox';
  const box = (tag: string) => `${host}/${name}:${tag}`;
  const of = (newest: number, newestBy: RepositoryPattern['tags']['newestBy'] = 'push_time') =>
    toPattern({ project: 'hub', repository: 'library/busybox', tags: { ...noTags, newest, newestBy } });

  test('are the newest: a release pushes out what is listed no more', async () => {
    world.patterns = [of(2)];
    world.push(name, 'v1', 1);
    world.push(name, 'v2', 2);
    await world.round();
    unlist(name, 'v1');
    expect((await next()).members).toEqual(['v1', 'v2'].map(box));
    world.push(name, 'v3', 3);
    expect((await next()).members).toEqual(['v2', 'v3'].map(box));
    world.push(name, 'v4', 4);
    world.push(name, 'v5', 5);
    expect((await nextLeader())?.members).toEqual(['v4', 'v5'].map(box));
  });

  test('bring back no older one in the place of what is listed no more, whoever leads', async () => {
    world.patterns = [of(2)];
    for (const version of [1, 2, 3]) world.push(name, `v${version}`, version);
    expect((await world.pattern()).members).toEqual(['v2', 'v3'].map(box));
    unlist(name, 'v3');
    unlist(name, 'v2');
    const kept = await nextLeader();
    expect(kept?.members).toEqual(['v2', 'v3'].map(box));
    expect(kept?.excluded).toMatchObject([{ reference: box('v1'), reason: 'older' }]);
    world.source.remove(box('v3'));
    expect((await next()).members).toEqual(['v1', 'v2'].map(box));
  });

  test('by version are the highest versions, listed or not', async () => {
    world.patterns = [of(2, 'version')];
    for (const version of [10, 9, 8]) world.push(name, `v${version}`, 20 - version);
    expect((await world.pattern()).members).toEqual(['v10', 'v9'].map(box));
    unlist(name, 'v10');
    expect((await next()).members).toEqual(['v10', 'v9'].map(box));
    world.push(name, 'v11', 1);
    expect((await next()).members).toEqual(['v10', 'v11'].map(box));
  });

  test('are the same when a member comes back, which was not pushed anew', async () => {
    world.patterns = [of(2)];
    world.push(name, 'v1', 1);
    world.push(name, 'v2', 2);
    await world.round();
    unlist(name, 'v1');
    await next();
    world.push(name, 'v1', 30);
    expect((await next()).members).toEqual(['v1', 'v2'].map(box));
    world.push(name, 'v3', 3);
    expect((await next()).members).toEqual(['v2', 'v3'].map(box));
  });

  test('cost no question after what they push out', async () => {
    world.patterns = [of(1)];
    world.push(name, 'v1', 1);
    await world.round();
    unlist(name, 'v1');
    world.push(name, 'v2', 2);
    await next();
    expect(world.asked.filter((call) => call.endsWith(':v1'))).toEqual([]);
  });
});
