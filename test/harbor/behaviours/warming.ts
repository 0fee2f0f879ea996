/** Warming behind a proxy-cache project, counted at the upstream. */

import { expect, test } from 'vitest';
import { askAs } from '../../contract/harbor/subject.ts';
import { startGateway } from '../../harness/harbor/harbor.ts';
import { type BuiltIndex, toDigest } from '../../harness/images.ts';
import { bothPlatforms, never, resolverRights, warm } from '../agent-parts.ts';
import { blobsOf, makeIndex } from '../sample-images.ts';
import {
  type BehaviourMaker,
  type BehaviourOptions,
  type BehaviourSubject,
  type Login,
  upstreamRequests,
} from '../subject.ts';
import { patientMs } from '../waiting.ts';
import { describeSuite, type Suite } from './suite.ts';

/** Slow for such sizes: what an abort lets through is then a small part, also on a busy machine. */
const upstreamBytesPerSecond = 1_000_000;
const layerSizes = [2_000_000, 1_200_000];
const clients = 20;
/** Harbor fetches by itself after 200 s, and then looks every 20 s. */
const slowMs = 600_000;

export function describeWarming(
  name: string,
  make: BehaviourMaker,
  { isQuick = false, isTls = false }: BehaviourOptions = {},
): void {
  describeSuite(
    `warming on ${name}`,
    () => make(4_000),
    (suite) => {
      test('by abort: each blob comes from the upstream once, and twenty nodes that pull by child digest cost it nothing', {
        timeout: patientMs,
        // A machine that is too busy to pass an abort on lets more of the answer through.
        retry: 2,
      }, async () => {
        const { subject, robot, index, path } = await prepare(suite, 'lib/direct');
        const { createWarmer } = suite.agent([robot]);
        const warmer = createWarmer();
        const reference = `${subject.host}/${path}:v1`;
        const { outcome, bytes, events } = await warm(warmer, { reference });
        expect(events.filter(({ kind }) => kind === 'fallback' || kind === 'retry')).toEqual([]);
        expect(outcome).toBe('warm');
        expect(bytes).toBe(sizeOf(index));
        expect(events.filter(({ kind }) => kind === 'child_warm')).toMatchObject([
          { certain: true },
          { certain: true },
        ]);
        expect(completeLayers(subject)).toEqual(onceEach(index));
        expect(upstreamBytes(subject) / sizeOf(index)).toBeLessThanOrEqual(1.2);

        await pullByAll(subject, robot, path, index);

        const children = new Map(
          bothPlatforms.map((platform, at) => [platform, index.images[at]?.manifestDigest ?? '']),
        );
        expect(await warm(warmer, { reference, children })).toMatchObject({ outcome: 'warm', bytes: 0 });
        expect(upstreamRequests(subject)).toEqual([]);
      });

      test('a child that a clean-up removed is no longer warm', { timeout: patientMs }, async () => {
        const { subject, project, robot, index, path } = await prepare(suite, 'lib/gone');
        subject.upstream.faults.bytesPerSecond = undefined;
        const { createWarmer } = suite.agent([robot]);
        const warmer = createWarmer();
        const reference = `${subject.host}/${path}:v1`;
        await warm(warmer, { reference });
        const child = { platform: 'linux/amd64', digest: index.images[0]?.manifestDigest ?? '' };
        const isLocal = () => warmer.isLocal({ reference, credentials: [] }, child, never);
        expect(await isLocal()).toBe(true);
        await subject.removeArtifact({ name: project, id: 0 }, path, child.digest);
        expect(await isLocal()).toBe(false);
      });

      test('by reading: the blobs are the right ones, and cost the upstream twice', {
        timeout: patientMs,
      }, async () => {
        const { subject, robot, index, path } = await prepare(suite, 'lib/read');
        subject.upstream.faults.bytesPerSecond = undefined;
        const { createWarmer } = suite.agent([robot]);
        const reference = `${subject.host}/${path}:v1`;
        expect(await warm(createWarmer({ method: 'read' }), { reference })).toMatchObject({ outcome: 'warm' });
        expect(upstreamBytes(subject) / sizeOf(index)).toBeGreaterThan(1.9);
        await pullByAll(subject, robot, path, index, 2);
      });

      test.skipIf(isTls)(
        'behind a gateway that swallows aborts, by abort: it gets warm, and costs the upstream twice',
        {
          timeout: patientMs,
        },
        async () => {
          const { subject, robot, index, path } = await prepare(suite, 'lib/swallowed');
          subject.upstream.faults.bytesPerSecond = undefined;
          const gateway = await startGateway({ target: subject.host, passesAborts: false });
          try {
            const { createWarmer } = suite.agent([robot], { host: gateway.host });
            const result = await warm(createWarmer(), { reference: `${gateway.host}/${path}:v1` });
            expect(result.outcome).toBe('warm');
            expect(gateway.aborted).toBeGreaterThan(0);
            await pullByAll(subject, robot, path, index, 2, () => {
              expect(upstreamBytes(subject) / sizeOf(index)).toBeGreaterThan(1.9);
              expect(upstreamBytes(subject) / sizeOf(index)).toBeLessThan(2.1);
            });
          } finally {
            await gateway.stop();
          }
        },
      );
    },
  );

  describeSuite(
    `warming behind gateways on ${name}`,
    () => make(500),
    (suite) => {
      test.skipIf(isQuick || isTls)(
        'behind such a gateway, by manifests alone: Harbor fetches each blob once by itself, and nodes cost nothing (slow: 200 s on a real one)',
        { timeout: slowMs },
        async () => {
          const { subject, robot, index, path } = await prepare(suite, 'lib/manifest');
          const gateway = await startGateway({ target: subject.host, passesAborts: false });
          try {
            const { createWarmer } = suite.agent([robot], { host: gateway.host });
            const reference = `${gateway.host}/${path}:v1`;
            const { outcome, events } = await warm(createWarmer({ method: 'manifest' }), { reference });
            expect(events.filter(({ kind }) => kind === 'fallback' || kind === 'retry')).toEqual([]);
            expect(outcome).toBe('warm');
            expect(completeLayers(subject)).toEqual(onceEach(index));
            expect(upstreamBytes(subject) / sizeOf(index)).toBeLessThanOrEqual(1.2);
            await pullByAll(subject, robot, path, index);
          } finally {
            await gateway.stop();
          }
        },
      );
    },
  );
}

/** A cold image behind a new project, and a robot that may warm it. */
async function prepare({ subject }: Suite, repository: string) {
  const { name: project } = await subject.project({ proxy: true });
  const robot = await subject.robot(project, ...resolverRights);
  const index = makeIndex(layerSizes);
  await subject.upstream.push(repository, 'v1', index);
  subject.upstream.requests.length = 0;
  subject.upstream.faults.bytesPerSecond = upstreamBytesPerSecond;
  return { subject, project, robot, index, path: `${project}/${repository}` };
}

/** Each client takes one platform: the child's manifest, then its blobs. @param look before what they cost is counted */
async function pullByAll(
  subject: BehaviourSubject,
  robot: Login,
  path: string,
  index: BuiltIndex,
  count = clients,
  look: () => void = () => undefined,
): Promise<void> {
  look();
  subject.upstream.requests.length = 0;
  const pull = async (kind: 'manifests' | 'blobs', digest: string) => {
    const { status, body } = await askAs(subject, robot, { method: 'GET', path: `/v2/${path}/${kind}/${digest}` });
    expect([status, toDigest(body)]).toEqual([200, digest]);
  };
  const nodes = Array.from({ length: count }, async (_, node) => {
    const image = index.images[node % index.images.length];
    if (image === undefined) throw new Error('an index of nothing');
    await pull('manifests', image.manifestDigest);
    for (const digest of blobsOf([image]).keys()) await pull('blobs', digest);
  });
  await Promise.all(nodes);
  expect(upstreamRequests(subject)).toEqual([]);
}

function sizeOf({ images }: BuiltIndex): number {
  return [...blobsOf(images).values()].reduce((sum, bytes) => sum + bytes, 0);
}

function upstreamBytes({ upstream }: BehaviourSubject): number {
  return upstream.requests.reduce((sum, { bytes }) => sum + bytes, 0);
}

function onceEach({ images }: BuiltIndex): Readonly<Record<string, number>> {
  return Object.fromEntries(images.flatMap(({ layers }) => layers.map(({ digest }) => [digest, 1])));
}

/** How often each layer was sent to its end. A config is with the client before it can leave. */
function completeLayers({ upstream }: BehaviourSubject): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { method, path, complete, bytes } of upstream.requests) {
    const digest = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1];
    if (method !== 'GET' || digest === undefined || !complete || bytes < 100_000) continue;
    counts[digest] = (counts[digest] ?? 0) + 1;
  }
  return counts;
}
