/** Tags behind a proxy-cache project while the upstream fails, and images that retention would delete. */

import { expect, test } from 'vitest';
import { KeepAlive } from '../../../agent/coordinator/keep-alive.ts';
import { parseReference } from '../../../agent/core/image-reference.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { noResolutions, type Resolutions } from '../../../agent/core/resolution.ts';
import { askAs, type HarborSubject } from '../../contract/harbor/subject.ts';
import type { UpstreamState } from '../../harness/harbor/harbor.ts';
import { never, resolveImage, resolverRights, wantImage, warm } from '../agent-parts.ts';
import { makeImage, makeIndex } from '../sample-images.ts';
import { type BehaviourMaker, type BehaviourOptions, upstreamRequests } from '../subject.ts';
import { patientMs, until } from '../waiting.ts';
import { describeSuite } from './suite.ts';

export function describeResolving(
  name: string,
  make: BehaviourMaker,
  { isQuick = false }: BehaviourOptions = {},
): void {
  describeSuite(
    `resolving on ${name}`,
    () => make(2_500),
    (suite) => {
      test('an outage of the upstream is no new release, although the digest of the tag flips; what comes after it is', {
        timeout: 4 * patientMs,
      }, async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        const index = makeIndex();
        await subject.upstream.push('lib/app', 'v1', index);
        const reference = `${subject.host}/${project}/lib/app:v1`;
        const robot = await subject.robot(project, ...resolverRights);
        // As runtimes do it: an index that was first asked for by its tag gets none in Harbor's own store.
        for (const [method, name] of [
          ['HEAD', 'v1'],
          ['GET', index.indexDigest],
        ] as const) {
          await askAs(subject, robot, { method, path: `/v2/${project}/lib/app/manifests/${name}` });
        }
        const { harbor, login, source, credentials, createResolver, createWarmer } = suite.agent([robot]);
        const lasting = createResolver({ warms: true });
        const cold = await resolveImage(lasting, wantImage(reference));
        expect(cold.images.get(reference)).toMatchObject({ digest: index.indexDigest, isProxied: true });
        expect(childrenOf(cold, reference)).toEqual(index.images.map(({ manifestDigest }) => manifestDigest));

        await warm(createWarmer(), { reference });
        // Their sizes are known since Harbor holds them.
        const first = await resolveImage(lasting, wantImage(reference), cold);
        expect(childrenOf(first, reference)).toEqual(childrenOf(cold, reference));
        await until(() => isThere(() => harbor.readArtifact(login, project, 'lib/app', 'v1', never)), 'a local index');
        const head = async () => (await source.headManifest(parseReference(reference), credentials, never)).digest;
        expect(await head()).toBe(index.indexDigest);
        // A real Harbor takes five minutes to believe that an upstream is unhealthy.
        const states: readonly UpstreamState[] = [
          'down',
          500,
          401,
          429,
          404,
          ...(isQuick ? [] : ['unhealthy' as const]),
        ];
        for (const state of states) {
          await subject.setUpstream(state);
          if (state !== 404) await until(async () => (await head()) !== index.indexDigest, `another digest: ${state}`);
          // One that knows what it read, and one that was just elected.
          for (const resolver of [lasting, createResolver({ warms: true })]) {
            const after = await resolveImage(resolver, wantImage(reference), first);
            const { failure, ...record } = after.images.get(reference) ?? {};
            // The children are the same: nobody has to be told.
            if (state !== 404) expect(failure, String(state)).toBeUndefined();
            expect(record, String(state)).toEqual(first.images.get(reference));
          }
          await subject.setUpstream('healthy');
        }

        const next = makeIndex();
        await subject.upstream.push('lib/app', 'v1', next);
        const moved = await resolveImage(lasting, wantImage(reference), first);
        expect(moved.images.get(reference)).toMatchObject({ digest: next.indexDigest });
        expect(moved.images.get(reference)?.failure).toBeUndefined();
        expect(childrenOf(moved, reference)).toEqual(next.images.map(({ manifestDigest }) => manifestDigest));
      });

      test('what the agent alone has resolved and warmed has its tag in Harbor while the upstream is away', {
        timeout: patientMs,
      }, async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        const index = makeIndex();
        await subject.upstream.push('lib/alone', 'v1', index);
        const reference = `${subject.host}/${project}/lib/alone:v1`;
        const robot = await subject.robot(project, ...resolverRights);
        const { createResolver, createWarmer } = suite.agent([robot]);
        await resolveImage(createResolver(), wantImage(reference));
        await warm(createWarmer(), { reference });
        await subject.setUpstream('down');
        const path = `/v2/${project}/lib/alone/manifests/v1`;
        await until(
          async () => (await askAs(subject, robot, { method: 'HEAD', path })).status === 200,
          'a tag without the upstream',
        );
      });

      test('an upstream that hangs holds a round back for its time-outs, and changes nothing', {
        timeout: patientMs,
      }, async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        await subject.upstream.push('lib/hang', 'v1', makeIndex());
        const reference = `${subject.host}/${project}/lib/hang:v1`;
        const robot = await subject.robot(project, ...resolverRights);
        const { createResolver } = suite.agent([robot]);
        const before = await resolveImage(createResolver(), wantImage(reference));
        expect(before.images.get(reference)?.failure).toBeUndefined();
        await subject.setUpstream('hanging');
        const hurried = suite.agent([robot], { totalMs: 6_000 });
        const after = await resolveImage(hurried.createResolver(), wantImage(reference), before);
        const { failure, ...record } = after.images.get(reference) ?? {};
        expect(failure).toMatchObject({ code: 'timeout' });
        expect(record).toEqual(before.images.get(reference));
      });

      test('what the upstream never had is told from what Harbor does not find while the upstream fails', async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        const { source, credentials } = suite.agent([await subject.robot(project, ...resolverRights)]);
        const reference = parseReference(`${subject.host}/${project}/lib/never:v1`);
        const head = () => source.headManifest(reference, credentials, never);
        await expect(head()).rejects.toMatchObject({ code: 'not_found', detail: undefined, retryable: false });
        await subject.setUpstream('down');
        await expect(head()).rejects.toMatchObject({ code: 'not_found', detail: 'not_found_proxy', retryable: true });
      });

      test('an unchanged tag costs HEADs, and no GET of a manifest', async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        await subject.upstream.push('lib/still', 'v1', makeIndex());
        const reference = `${subject.host}/${project}/lib/still:v1`;
        const { createResolver } = suite.agent([await subject.robot(project, ...resolverRights)]);
        const resolver = createResolver();
        const before = await resolveImage(resolver, wantImage(reference));
        subject.upstream.requests.length = 0;
        expect(await resolveImage(resolver, wantImage(reference), before)).toEqual(before);
        const methods = new Set(upstreamRequests(subject).map(({ method, path }) => `${method} ${path}`));
        expect([...methods]).toEqual([`HEAD /v2/lib/still/manifests/v1`]);
      });

      test('what retention would delete is pulled once, and not again', { timeout: patientMs }, async () => {
        const { subject } = suite;
        const project = await subject.project();
        const repository = `${project.name}/app`;
        await subject.push(repository, 'v1', makeImage());
        await subject.push(repository, 'v2', makeImage());
        await subject.retain(project, 'latestPulledN', 1);
        const { source, harbor, login, projects, recorder } = suite.agent([
          await subject.robot(project.name, ...resolverRights),
        ]);
        const reference = `${subject.host}/${repository}:v1`;
        const demand = { images: [wantImage(reference, ['linux/amd64'])], patterns: [] };
        const isHarbor = (host: string) => host === subject.host;
        const keepAlive = new KeepAlive({ source, harbor, projects, isHarbor, recorder, log: silentLogger });
        const pulledAt = async (tag: string) =>
          (await harbor.readArtifact(login, project.name, 'app', tag, never)).pulledAt;
        // Newer: it is what the rule retains.
        await pull(subject, repository, 'v2');
        await until(async () => (await pulledAt('v2')) !== undefined, 'a pull that Harbor counts');

        expect(await keepAlive.look(noResolutions, demand, false, never)).toMatchObject([{ reference }]);
        expect(await pulledAt('v1')).toBeUndefined();
        expect(await keepAlive.look(noResolutions, demand, true, never)).toMatchObject([{ reference }]);
        await until(async () => (await pulledAt('v1')) !== undefined, 'a pull that keeps alive');
        const touchedAt = await pulledAt('v1');
        await pull(subject, repository, 'v2');
        await until(async () => ((await pulledAt('v2')) ?? 0) > (touchedAt ?? 0), 'another pull that Harbor counts');
        const restarted = new KeepAlive({ source, harbor, projects, isHarbor, recorder, log: silentLogger });
        for (const one of [keepAlive, restarted]) {
          expect(await one.look(noResolutions, demand, true, never)).toMatchObject([{ reference }]);
        }
        expect(recorder.kept).toBe(1);
        expect(await pulledAt('v1')).toBe(touchedAt);
      });
    },
  );
}

function childrenOf({ images }: Resolutions, reference: string): readonly string[] | undefined {
  return images.get(reference)?.platforms.map(({ digest }) => digest);
}

async function pull(subject: HarborSubject, repository: string, tag: string): Promise<void> {
  const path = `/v2/${repository}/manifests/${tag}`;
  expect((await askAs(subject, subject.admin, { method: 'GET', path })).status).toBe(200);
}

async function isThere(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch {
    return false;
  }
}
