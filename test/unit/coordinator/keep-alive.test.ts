import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeepAlive } from '../../../agent/coordinator/keep-alive.ts';
import { ProjectBook } from '../../../agent/coordinator/project-book.ts';
import type { Demand } from '../../../agent/core/demand.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions } from '../../../agent/core/resolution.ts';
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
