/** Repository patterns: what the resolver takes out of Harbor's projects. */

import { expect, test } from 'vitest';
import { patternKey } from '../../../agent/core/repository-pattern.ts';
import { mediaTypes } from '../../harness/images.ts';
import { never, resolvePattern, resolverRights, wantPattern } from '../agent-parts.ts';
import { makeImage, makeIndex } from '../sample-images.ts';
import type { BehaviourMaker } from '../subject.ts';
import { patientMs } from '../waiting.ts';
import { describeSuite } from './suite.ts';

const noRule = {
  match: undefined,
  regex: undefined,
  semver: undefined,
  newest: undefined,
  newestBy: 'push_time' as const,
};

export function describeListing(name: string, make: BehaviourMaker): void {
  describeSuite(`repository patterns on ${name}`, make, (suite) => {
    test('a list of several pages is read whole, and the newest by version are taken of it', {
      timeout: 3 * patientMs,
    }, async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const shared = makeImage();
      await subject.push(`${project}/many`, '1.0.0', shared);
      const manifest = JSON.parse(shared.manifest.toString()) as object;
      for (let patch = 1; patch < 104; patch += 1) {
        const content = { mediaType: mediaTypes.manifest, tag: `1.0.${patch}`, blobs: [] };
        const annotated = JSON.stringify({ ...manifest, annotations: { patch: String(patch) } });
        await subject.put(`${project}/many`, { ...content, manifest: annotated });
      }
      const robot = await subject.robot(project, ...resolverRights);
      const { harbor, login, createResolver } = suite.agent([robot]);
      const listed = await harbor.listArtifacts(login, project, 'many', {}, never);
      expect(new Set(listed.map(({ digest }) => digest)).size).toBe(104);
      const wanted = wantPattern(subject.host, `${project}/*`, {
        tags: { ...noRule, semver: '>=1.0.0 <1.0.103', newest: 2, newestBy: 'version' },
      });
      const { patterns, images } = await resolvePattern(createResolver(), wanted);
      const record = patterns.get(wanted.key);
      expect(record?.failure).toBeUndefined();
      expect(record?.members).toEqual([
        `${subject.host}/${project}/many:1.0.101`,
        `${subject.host}/${project}/many:1.0.102`,
      ]);
      expect(record?.excludedCount).toBe(102);
      expect([...images.values()].every(({ digest }) => digest?.startsWith('sha256:'))).toBe(true);
    });

    test('nested repositories, labels, and what lacks them', async () => {
      const { subject } = suite;
      const project = await subject.project();
      const index = makeIndex();
      await subject.push(`${project.name}/team/a/web`, 'v1', index);
      await subject.push(`${project.name}/team/b/web`, 'v1', makeImage());
      await subject.push(`${project.name}/other`, 'v1', makeImage());
      await subject.addLabel(project, `${project.name}/team/a/web`, 'v1', 'edge');
      await subject.addLabel(project, `${project.name}/other`, 'v1', 'edge');
      const robot = await subject.robot(project.name, ...resolverRights);
      const { createResolver } = suite.agent([robot]);
      const wanted = wantPattern(subject.host, `${project.name}/team/**`, { labels: ['edge'] });
      const { patterns, images } = await resolvePattern(createResolver(), wanted);
      const reference = `${subject.host}/${project.name}/team/a/web:v1`;
      expect(patterns.get(wanted.key)).toMatchObject({
        members: [reference],
        excluded: [{ reference: `${subject.host}/${project.name}/team/b/web:v1`, reason: 'label' }],
      });
      expect(patterns.get(wanted.key)?.failure).toBeUndefined();
      const [amd64, arm64] = index.images;
      expect(images.get(reference)).toMatchObject({
        digest: index.indexDigest,
        isProxied: false,
        platforms: [
          { platform: 'linux/amd64', digest: amd64?.manifestDigest, imageId: amd64?.configDigest, warm: 'unneeded' },
          { platform: 'linux/arm64', digest: arm64?.manifestDigest },
        ],
      });
    });

    test('a robot that may only pull gets the permission named that it lacks, and what was resolved before stays', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      await subject.push(`${project}/app`, 'v1', makeImage());
      const wanted = wantPattern(subject.host, `${project}/*`);
      const able = suite.agent([await subject.robot(project, ...resolverRights)]);
      const before = await resolvePattern(able.createResolver(), wanted);
      const members = [`${subject.host}/${project}/app:v1`];
      expect(before.patterns.get(wanted.key)?.members).toEqual(members);
      const unable = suite.agent([await subject.robot(project, 'repository:pull')]);
      const after = await resolvePattern(unable.createResolver(), wanted, before);
      expect(after.patterns.get(patternKey(wanted.pattern))).toMatchObject({
        members,
        failure: { code: 'auth', detail: 'forbidden', message: expect.stringContaining('repository:list') },
      });
    });

    test('what Harbor certainly has no more is dropped, and a project that is not seen drops nothing', async () => {
      const { subject } = suite;
      const project = await subject.project();
      await subject.push(`${project.name}/app`, 'v1', makeImage());
      await subject.push(`${project.name}/app`, 'v2', makeImage());
      const wanted = wantPattern(subject.host, `${project.name}/*`);
      const { createResolver } = suite.agent([await subject.robot(project.name, ...resolverRights)]);
      const before = await resolvePattern(createResolver(), wanted);
      const members = ['v1', 'v2'].map((tag) => `${subject.host}/${project.name}/app:${tag}`);
      expect(before.patterns.get(wanted.key)?.members).toEqual(members);
      const { name: elsewhere } = await subject.project();
      const stranger = suite.agent([await subject.robot(elsewhere, ...resolverRights)]);
      const unseen = await resolvePattern(stranger.createResolver(), wanted, before);
      expect(unseen.patterns.get(wanted.key)).toMatchObject({
        members,
        failure: { code: 'auth', detail: 'forbidden' },
      });
      await subject.removeArtifact(project, `${project.name}/app`, 'v1');
      const after = await resolvePattern(createResolver(), wanted, before);
      expect(after.patterns.get(wanted.key)?.members).toEqual(members.slice(1));
    });
  });
}
