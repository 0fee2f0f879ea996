/** Logins: what Harbor says to good and bad ones, and what the agent makes of it. */

import { expect, test } from 'vitest';
import { parseReference } from '../../../agent/core/image-reference.ts';
import { askAs, basic } from '../../contract/harbor/subject.ts';
import { never } from '../agent-parts.ts';
import { makeImage } from '../sample-images.ts';
import type { BehaviourMaker } from '../subject.ts';
import { describeSuite } from './suite.ts';

export function describeAccounts(name: string, make: BehaviourMaker): void {
  describeSuite(`accounts of ${name}`, make, (suite) => {
    const wrong = { username: 'robot$nobody', password: 'wrong' };
    const token = (query: string, login: typeof wrong | undefined, method = 'GET') =>
      askAs(suite.subject, login, { method, path: `/service/token?${query}` });

    test('the token service gives wrong passwords a token too, unless no scope is asked for', async () => {
      const { name: project } = await suite.subject.project();
      const service = 'service=harbor-registry';
      const scoped = await token(`${service}&scope=repository:${project}/app:pull`, wrong);
      expect(scoped.status).toBe(200);
      expect(JSON.parse(scoped.body.toString())).toMatchObject({ token: expect.any(String), access_token: '' });
      expect((await token(service, wrong)).status).toBe(401);
      expect((await token(service, suite.subject.admin)).status).toBe(200);
      expect((await token(service, suite.subject.admin, 'POST')).status).toBe(405);
      expect((await token('scope=repository:x/y:pull', suite.subject.admin)).status).toBe(400);
    });

    test('the first challenge is a Bearer one, the one after a bad bearer is Basic, of an absent project it is empty; a public project takes anything', async () => {
      const { name: project } = await suite.subject.project();
      const { name: open } = await suite.subject.project({ public: true });
      const path = `/v2/${project}/app/manifests/v1`;
      const first = await askAs(suite.subject, undefined, { method: 'HEAD', path });
      expect(first.status).toBe(401);
      expect(first.headers['www-authenticate']).toMatch(/^Bearer realm="https?:\/\/[^"]+\/service\/token"/);
      const bad = await askAs(suite.subject, undefined, {
        method: 'HEAD',
        path,
        headers: { authorization: 'Bearer x' },
      });
      expect(bad.headers['www-authenticate']).toBe('Basic realm="harbor"');
      const isOpen = { method: 'HEAD', path: `/v2/${open}/app/manifests/v1`, headers: { authorization: 'Bearer x' } };
      expect((await askAs(suite.subject, undefined, isOpen)).status).toBe(404);
      const absent = await askAs(suite.subject, suite.subject.admin, {
        method: 'GET',
        path: '/v2/stevedore-nosuch/app/manifests/v1',
      });
      expect(absent.status).toBe(401);
      expect(absent.headers['www-authenticate']).toBe('');
    });

    test('the agent pulls with a robot, and tells a wrong password, a disabled robot, a foreign and an absent project apart', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const { name: foreign } = await subject.project();
      const image = makeImage();
      await subject.push(`${project}/team/app`, 'v1', image);
      await subject.push(`${foreign}/app`, 'v1', image);
      const robot = await subject.robot(project, 'repository:pull');
      const { source, harbor, credentials, login } = suite.agent([robot]);
      const head = (repository: string, tag = 'v1') =>
        source.headManifest(parseReference(`${subject.host}/${repository}:${tag}`), credentials, never);
      expect(await head(`${project}/team/app`)).toEqual({ digest: image.manifestDigest });
      await expect(head(`${project}/team/app`, 'v2')).rejects.toMatchObject({ code: 'not_found' });
      await expect(head(`${project}/nosuch`)).rejects.toMatchObject({ code: 'not_found' });
      await expect(head(`${foreign}/app`)).rejects.toMatchObject({ code: 'auth' });
      await expect(head('stevedore-nosuch/app')).rejects.toMatchObject({
        code: 'not_found',
        detail: 'project_missing',
      });
      expect(await harbor.hasProject(login, foreign, never)).toBe(true);
      expect(await harbor.hasProject(login, 'stevedore-nosuch', never)).toBe(false);
      await expect(harbor.readProject(login, 'stevedore-nosuch', never)).rejects.toMatchObject({
        detail: 'project_missing',
      });
      await expect(harbor.readProject(login, foreign, never)).rejects.toMatchObject({ detail: 'forbidden' });

      const mistaken = suite.agent([{ ...robot, password: 'wrong' }]);
      const reference = parseReference(`${subject.host}/${project}/team/app:v1`);
      await expect(mistaken.source.headManifest(reference, mistaken.credentials, never)).rejects.toMatchObject({
        code: 'auth',
        detail: 'auth_failed',
      });
      await subject.disable(robot);
      const disabled = suite.agent([robot]);
      await expect(disabled.source.headManifest(reference, disabled.credentials, never)).rejects.toMatchObject({
        code: 'auth',
      });
      const both = suite.agent([robot, await subject.robot(project, 'repository:pull')]);
      expect(await both.source.headManifest(reference, both.credentials, never)).toEqual({
        digest: image.manifestDigest,
      });
    });

    test('one token opens every repository of its project, and no other project', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const { name: foreign } = await subject.project();
      for (const repository of [`${project}/one`, `${project}/two`, `${foreign}/one`]) {
        await subject.push(repository, 'v1', makeImage());
      }
      const robot = await subject.robot(project, 'repository:pull');
      const given = await token(`service=harbor-registry&scope=repository:${project}/one:pull`, robot);
      const { token: bearer } = JSON.parse(given.body.toString()) as { token: string };
      const headers = { authorization: `Bearer ${bearer}` };
      const status = async (repository: string) =>
        (await askAs(subject, undefined, { method: 'HEAD', path: `/v2/${repository}/manifests/v1`, headers })).status;
      expect(await status(`${project}/one`)).toBe(200);
      expect(await status(`${project}/two`)).toBe(200);
      expect(await status(`${foreign}/one`)).toBe(401);
    });

    test('the version is told only to whom Harbor knows, although everybody gets 200', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const robot = await subject.robot(project, 'repository:pull');
      const known = suite.agent([robot]);
      expect(await known.harbor.system(known.login, never)).toMatchObject({ version: expect.stringMatching(/^v\d/) });
      const unknown = suite.agent([{ ...robot, password: 'wrong' }]);
      expect(await unknown.harbor.system(unknown.login, never)).toMatchObject({ version: undefined });
      const headers = basic({ ...robot, password: 'wrong' });
      expect((await askAs(subject, undefined, { method: 'GET', path: '/api/v2.0/systeminfo', headers })).status).toBe(
        200,
      );
    });
  });
}
