import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeepAlive } from '../../../agent/coordinator/keep-alive.ts';
import { ProjectBook } from '../../../agent/coordinator/project-book.ts';
import type { Demand } from '../../../agent/core/demand.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions, type Resolutions } from '../../../agent/core/resolution.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { resolverRights } from '../../fakes/fake-harbor-content.ts';
import { FakeImageSource } from '../../fakes/fake-image-source.ts';
import { fakeSourceIndex } from '../../fakes/fake-source-image.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';

const host = 'harbor.lan';
const day = 86_400_000;
const web = `${host}/app/web:v1`;
const index = fakeSourceIndex('web', [{ os: 'linux', architecture: 'amd64' }]);
const selectors = {
  repositories: [{ decoration: 'repoMatches', pattern: '**' }],
  tags: [{ decoration: 'matches', pattern: '**' }],
};
const demand: Demand = {
  images: [{ reference: web, platforms: ['linux/amd64'], credentials: [], everyMs: 1 }],
  patterns: [],
};

let harbor: FakeHarbor;
let source: FakeImageSource;
let recorder: RecordingHarborRecorder;

beforeEach(() => {
  vi.useFakeTimers({ now: 100 * day });
  harbor = new FakeHarbor(host);
  source = new FakeImageSource();
  recorder = new RecordingHarborRecorder();
  harbor.addProject('app', { metadata: { retention_id: '3' } });
  harbor.addRobot('resolver', 'secret', { '*': [...resolverRights, 'tag-retention:read'] });
  const rule = { template: 'nDaysSinceLastPull', parameters: { nDaysSinceLastPull: 6 }, disabled: false, ...selectors };
  harbor.retentions.set(3, { cron: '0 0 0 * * *', rules: [rule] });
  source.add(web, index);
  pulled(Date.now());
});

afterEach(() => vi.useRealTimers());

/** Harbor's own record of when it was pulled last. */
function pulled(at: number): void {
  const tags = [{ name: 'v1', pushedAt: 0, pulledAt: at }];
  harbor.put('app/web', { digest: index.digest, pushedAt: 0, pulledAt: at, tags });
}

function create(): KeepAlive {
  const credentialsFor = () => Promise.resolve([new Credential(host, 'resolver', 'secret')]);
  const projects = new ProjectBook({ harbor, credentialsFor });
  return new KeepAlive({ source, harbor, projects, isHarbor: (name) => name === host, recorder, log: silentLogger });
}

const look = (keepAlive: KeepAlive, touch: boolean) =>
  keepAlive.look(noResolutions, demand, touch, new AbortController().signal);

describe('retention', () => {
  test('of what nobody pulls any more is reported in time, and not before', async () => {
    const keepAlive = create();
    expect(await look(keepAlive, false)).toEqual([]);
    expect(recorder.atRisk.get('app')).toBe(0);
    vi.setSystemTime(Date.now() + 5 * day);
    expect(await look(keepAlive, false)).toEqual([
      { reference: web, project: 'app', message: expect.stringContaining('pulled within the last 6 days') },
    ]);
    expect(recorder.atRisk.get('app')).toBe(1);
    expect(source.calls).toEqual([]);
  });

  test('is not reported of images that nobody desires, nor where it may not be read', async () => {
    vi.setSystemTime(Date.now() + 5 * day);
    harbor.put('app/old', { digest: 'sha256:1', tags: [{ name: 'v1', pushedAt: 0, pulledAt: undefined }] });
    expect(await look(create(), false)).toHaveLength(1);
    harbor.addRobot('resolver', 'secret', { '*': [...resolverRights] });
    expect(await look(create(), true)).toEqual([]);
    expect(source.calls).toEqual([]);
  });

  test('is held off by one GET of the manifest in a third of its period', async () => {
    let keepAlive = create();
    for (let hours = 0; hours < 30 * 24; hours += 1) {
      vi.setSystemTime(Date.now() + day / 24);
      const before = source.calls.length;
      await look(keepAlive, true);
      if (source.calls.length > before) pulled(Date.now());
      // A new leader knows by Harbor's own record.
      if (hours % 50 === 0) keepAlive = create();
    }
    expect(source.calls.length).toBeGreaterThanOrEqual(6);
    expect(source.calls.length).toBeLessThanOrEqual(8);
    expect(recorder.kept).toBe(source.calls.length);
    expect(source.calls.every(({ method, reference }) => method === 'readImage' && reference === web)).toBe(true);
  });

  test('is not held off more often than that where Harbor does not count pulls', async () => {
    const keepAlive = create();
    vi.setSystemTime(Date.now() + 5 * day);
    for (let hours = 0; hours < 6 * 24; hours += 1) {
      await look(keepAlive, true);
      vi.setSystemTime(Date.now() + day / 24);
    }
    expect(source.calls).toHaveLength(3);
  });
});

describe('behind a proxy cache', () => {
  const box = `${host}/hub/library/box:1`;
  const cached = fakeSourceIndex('box', [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
  ]);
  const [amd64, arm64] = cached.children;
  const wanted: Demand = { ...demand, images: demand.images.map((image) => ({ ...image, reference: box })) };
  const resolutions: Resolutions = {
    images: new Map([
      [
        box,
        {
          reference: box,
          digest: cached.digest,
          isProxied: true,
          platforms: cached.children.map(({ digest, platform: { os, architecture } }) => ({
            platform: `${os}/${architecture}`,
            digest,
            imageId: digest,
            sizeBytes: 1,
            warm: 'warm' as const,
          })),
        },
      ],
    ]),
    patterns: new Map(),
  };
  const lookAt = (keepAlive: KeepAlive, touch: boolean) =>
    keepAlive.look(resolutions, wanted, touch, new AbortController().signal);
  const put = (digest: string | undefined, daysAgo: number, more = {}) =>
    harbor.put('hub/library/box', { digest: digest ?? '', pushedAt: 0, pulledAt: Date.now() - daysAgo * day, ...more });

  beforeEach(() => {
    harbor.addProject('hub', { upstreamId: 7, metadata: { retention_id: '3' } });
    source.add(box, cached);
  });

  test('an image that is there without its tag is found by what nodes pull, and touched by that', async () => {
    // The index that Harbor keeps is a rewritten one, which nobody knows the digest of.
    put('sha256:rewritten', 5);
    put(amd64?.digest, 5);
    put(arm64?.digest, 1);
    const keepAlive = create();
    const risk = { reference: box, project: 'hub', message: 'in 1 day it is deleted (pulled within the last 6 days)' };
    expect(await lookAt(keepAlive, false)).toEqual([risk]);
    expect(recorder.atRisk.get('hub')).toBe(1);
    expect(source.calls).toEqual([]);
    await lookAt(keepAlive, true);
    await lookAt(keepAlive, true);
    expect(source.calls).toMatchObject([
      { method: 'readImage', reference: `${host}/hub/library/box@${amd64?.digest}` },
    ]);
  });

  test('an index that is listed holds its children, whenever they were pulled', async () => {
    const children = cached.children.map(({ digest }) => ({
      digest,
      os: 'linux',
      architecture: 'amd64',
      variant: undefined,
    }));
    put('sha256:rewritten', 1, { children, tags: [{ name: '1', pushedAt: 0, pulledAt: undefined }] });
    for (const { digest } of cached.children) put(digest, 30);
    expect(await lookAt(create(), true)).toEqual([]);
    put('sha256:rewritten', 5, { children, tags: [{ name: '1', pushedAt: 0, pulledAt: undefined }] });
    expect(await lookAt(create(), true)).toMatchObject([{ reference: box }]);
    expect(source.calls).toMatchObject([{ reference: `${host}/hub/library/box@${amd64?.digest}` }]);
  });

  test('what Harbor does not have is at no risk, nor what may not be read by digest', async () => {
    expect(await lookAt(create(), true)).toEqual([]);
    put(amd64?.digest, 5);
    harbor.addRobot('resolver', 'secret', { '*': ['project:read', 'artifact:list', 'tag-retention:read'] });
    expect(await lookAt(create(), true)).toEqual([]);
    expect(source.calls).toEqual([]);
  });
});
