/** What Harbor refuses to give out, and what the agent makes of it; signatures that the agent verifies itself. */

import { expect, test } from 'vitest';
import { parseReference } from '../../../agent/core/image-reference.ts';
import { never, resolveImage, resolvePattern, resolverRights, wantImage, wantPattern } from '../agent-parts.ts';
import { createSigner, signWith } from '../cosign.ts';
import { makeImage, makeIndex } from '../sample-images.ts';
import type { BehaviourMaker } from '../subject.ts';
import { patientMs } from '../waiting.ts';
import { describeSuite } from './suite.ts';

export function describePolicy(name: string, make: BehaviourMaker): void {
  describeSuite(`policy of ${name}`, make, (suite) => {
    const refused = { code: 'policy', detail: 'policy_blocked' };

    test('a severe vulnerability refuses the platform image, not the index; another scan lets it pass again', {
      timeout: patientMs,
    }, async () => {
      const { subject } = suite;
      const project = await subject.project({ metadata: { prevent_vul: 'true', severity: 'high' } });
      const repository = `${project.name}/app`;
      const index = makeIndex();
      await subject.push(repository, 'v1', index);
      const { source, credentials, createResolver } = suite.agent([
        await subject.robot(project.name, ...resolverRights),
      ]);
      const reference = `${subject.host}/${repository}:v1`;
      const head = (wanted: string) => source.headManifest(parseReference(wanted), credentials, never);
      const child = `${subject.host}/${repository}@${index.images[0]?.manifestDigest}`;
      expect(await head(child)).toEqual({ digest: index.images[0]?.manifestDigest });

      await subject.useScanner(project);
      const resolver = createResolver();
      const unscanned = await resolveImage(resolver, wantImage(reference));
      expect(unscanned.images.get(reference)?.refusal).toMatchObject(refused);
      await subject.scan(project, repository, 'v1', 'High');
      expect(await head(reference)).toEqual({ digest: index.indexDigest });
      await expect(head(child)).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining(`cannot be pulled due to configured policy in 'Prevent images`),
      });
      const severe = await resolveImage(resolver, wantImage(reference), unscanned);
      const record = severe.images.get(reference);
      expect(record?.refusal).toBeUndefined();
      expect(record?.digest).toBe(index.indexDigest);
      expect(record?.platforms.map(({ refusal }) => refusal)).toMatchObject([refused, refused]);

      await subject.scan(project, repository, 'v1', 'Low');
      const mended = await resolveImage(resolver, wantImage(reference), severe);
      expect(mended.images.get(reference)?.platforms).toMatchObject([
        { platform: 'linux/amd64', digest: index.images[0]?.manifestDigest, imageId: index.images[0]?.configDigest },
        { platform: 'linux/arm64', digest: index.images[1]?.manifestDigest },
      ]);
      expect(mended.images.get(reference)?.platforms.some(({ refusal }) => refusal !== undefined)).toBe(false);
    });

    test('content trust asks for a signature of the platform image too', async () => {
      const { subject } = suite;
      const project = await subject.project({ metadata: { enable_content_trust_cosign: 'true' } });
      const repository = `${project.name}/app`;
      const index = makeIndex();
      await subject.push(repository, 'v1', index);
      const { harbor, login, createResolver } = suite.agent([await subject.robot(project.name, ...resolverRights)]);
      const reference = `${subject.host}/${repository}:v1`;
      const resolver = createResolver();
      const unsigned = await resolveImage(resolver, wantImage(reference));
      expect(unsigned.images.get(reference)?.refusal).toEqual({
        ...refused,
        message: expect.stringContaining('The image is not signed by cosign.'),
      });
      const signer = createSigner();
      await signWith(signer, subject, repository, index.indexDigest);
      const { accessories } = await harbor.readArtifact(login, project.name, 'app', 'v1', never);
      expect(accessories.map(({ type }) => type)).toEqual(['signature.cosign']);
      const half = await resolveImage(resolver, wantImage(reference), unsigned);
      expect(half.images.get(reference)?.refusal).toBeUndefined();
      expect(half.images.get(reference)?.platforms.map(({ refusal }) => refusal)).toMatchObject([refused, refused]);
      for (const { manifestDigest } of index.images) await signWith(signer, subject, repository, manifestDigest);
      const whole = await resolveImage(resolver, wantImage(reference), half);
      expect(whole.images.get(reference)?.platforms.map(({ refusal }) => refusal)).toEqual([undefined, undefined]);
    });

    test('a pattern takes only what is signed with its key, index and platform images, over their own digests', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const [own, stranger] = [createSigner(), createSigner()];
      const index = makeIndex();
      const good = `${project}/good`;
      await subject.push(good, 'v1', index);
      for (const digest of [index.indexDigest, ...index.images.map(({ manifestDigest }) => manifestDigest)]) {
        await signWith(own, subject, good, digest);
      }
      const others = { foreign: makeImage(), moved: makeImage(), unsigned: makeImage() };
      for (const [repository, image] of Object.entries(others))
        await subject.push(`${project}/${repository}`, 'v1', image);
      await signWith(stranger, subject, `${project}/foreign`, others.foreign.manifestDigest);
      await signWith(own, subject, `${project}/moved`, others.moved.manifestDigest, others.foreign.manifestDigest);
      const half = makeIndex();
      await subject.push(`${project}/half`, 'v1', half);
      await signWith(own, subject, `${project}/half`, half.indexDigest);

      const { createResolver } = suite.agent([await subject.robot(project, ...resolverRights)]);
      const resolve = async (asked: Parameters<typeof wantPattern>[2]) => {
        const wanted = wantPattern(subject.host, `${project}/*`, asked);
        const record = (await resolvePattern(createResolver(), wanted)).patterns.get(wanted.key);
        expect(record?.failure).toBeUndefined();
        const reasons = record?.excluded.map(({ reference, reason }) => [reference.split('/')[2], reason]);
        return { members: record?.members.map((reference) => reference.split('/')[2]), reasons };
      };
      expect(await resolve({ signedBy: [own.pem] })).toEqual({
        members: ['good:v1'],
        reasons: expect.arrayContaining([
          ['foreign:v1', 'signature_invalid'],
          ['half:v1', 'not_signed'],
          ['moved:v1', 'signature_invalid'],
          ['unsigned:v1', 'not_signed'],
        ]),
      });
      expect(await resolve({ signed: 'cosign' })).toMatchObject({ members: ['foreign:v1', 'good:v1', 'moved:v1'] });
    });

    test('a pattern leaves out what is too severe or was never scanned', { timeout: patientMs }, async () => {
      const { subject } = suite;
      const project = await subject.project();
      await subject.useScanner(project);
      for (const repository of ['severe', 'mild', 'unscanned']) {
        await subject.push(`${project.name}/${repository}`, 'v1', makeImage());
      }
      await subject.scan(project, `${project.name}/severe`, 'v1', 'Critical');
      await subject.scan(project, `${project.name}/mild`, 'v1', 'Low');
      const { createResolver } = suite.agent([await subject.robot(project.name, ...resolverRights)]);
      const resolve = async (unscanned: 'refuse' | 'allow') => {
        const wanted = wantPattern(subject.host, `${project.name}/*`, { maxSeverity: 'medium', unscanned });
        return (await resolvePattern(createResolver(), wanted)).patterns.get(wanted.key);
      };
      const toReference = (repository: string) => `${subject.host}/${project.name}/${repository}:v1`;
      expect(await resolve('refuse')).toMatchObject({
        members: [toReference('mild')],
        excluded: expect.arrayContaining([
          expect.objectContaining({ reference: toReference('severe'), reason: 'severity' }),
          expect.objectContaining({ reference: toReference('unscanned'), reason: 'not_scanned' }),
        ]),
      });
      expect((await resolve('allow'))?.members).toEqual([toReference('mild'), toReference('unscanned')]);
    });
  });
}
