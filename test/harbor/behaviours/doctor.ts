/** What `stevedore doctor` says of a Harbor and its projects. */

import { expect, test } from 'vitest';
import type { Finding } from '../../../agent/core/doctor-report.ts';
import { checkHarbor } from '../../../agent/doctor/harbor-check.ts';
import { checkProjects } from '../../../agent/doctor/project-check.ts';
import type { AgentParts } from '../agent-parts.ts';
import { never, resolverRights } from '../agent-parts.ts';
import type { BehaviourMaker, BehaviourOptions } from '../subject.ts';
import { patientMs } from '../waiting.ts';
import { describeSuite } from './suite.ts';

export function describeDoctor(name: string, make: BehaviourMaker, { isQuick = false }: BehaviourOptions = {}): void {
  describeSuite(`doctor on ${name}`, make, (suite) => {
    const lookAtHarbor = async ({ harbor, login }: AgentParts) => {
      const found: Finding[] = [];
      await checkHarbor({ harbor, login, now: Date.now }, (finding) => found.push(finding), never);
      return found;
    };
    const lookAtProject = async ({ harbor, login, host }: AgentParts, project: string) => {
      const found: Finding[] = [];
      const listed = await harbor.listProjects(login, never);
      const needs = [
        { resource: 'repository', action: 'pull', neededFor: 'pulling', weight: 'required' as const },
        { resource: 'artifact', action: 'list', neededFor: 'patterns', weight: 'required' as const },
      ];
      const asked = { host, project, globs: [], repository: undefined, credentials: [], needs };
      await checkProjects({ harbor, login, listed }, asked, (finding) => found.push(finding), never);
      return found;
    };

    test('version, clock, components, and a robot that is accepted', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const found = await lookAtHarbor(suite.agent([await subject.robot(project, ...resolverRights)]));
      const levels = Object.fromEntries(found.map(({ check, level }) => [check, level]));
      expect(levels).toMatchObject({ harbor: 'ok', clock: 'ok', credential: 'ok', robot: 'not_checked' });
      expect(found.find(({ check }) => check === 'harbor')?.message).toMatch(/^Harbor v\d/);
      const healthy = found.find(({ check, level }) => check === 'harbor_health' && level === 'ok');
      expect(healthy?.message).toContain('core');
    });

    test('a wrong password, and a robot that never expires, where that may be read', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const robot = await subject.robot(project, 'repository:pull');
      const mistaken = await lookAtHarbor(suite.agent([{ ...robot, password: 'wrong' }]));
      expect(mistaken).toContainEqual(expect.objectContaining({ check: 'credential', level: 'failure' }));
      const system = await subject.systemRobot(['repository:pull'], ['robot:list', 'robot:read']);
      const found = await lookAtHarbor(suite.agent([system]));
      expect(found).toContainEqual({ check: 'robot', level: 'ok', subject: system.username, message: 'never expires' });
    });

    test('a missing right, an absent and a foreign project', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project();
      const { name: foreign } = await subject.project();
      const agent = suite.agent([await subject.robot(project, 'repository:pull')]);
      expect(await lookAtProject(agent, project)).toMatchObject([
        { check: 'project', level: 'ok' },
        { check: 'permissions', level: 'failure', message: expect.stringContaining('artifact:list is missing') },
      ]);
      expect(await lookAtProject(agent, 'stevedore-nosuch')).toMatchObject([
        { level: 'failure', message: 'does not exist' },
      ]);
      expect(await lookAtProject(agent, foreign)).toMatchObject([
        { level: 'failure', message: expect.stringContaining('exists, but') },
      ]);
    });

    test('a proxy-cache project, its flags and its upstream', async () => {
      const { subject } = suite;
      const { name: project } = await subject.project({ proxy: true, metadata: { max_upstream_conn: '3' } });
      const agent = suite.agent([
        await subject.robot(project, ...resolverRights),
        await subject.systemRobot(['repository:pull'], ['registry:read']),
      ]);
      const found = await lookAtProject(agent, project);
      expect(found).toContainEqual(
        expect.objectContaining({ check: 'proxy_project', level: 'warning', message: expect.stringContaining('=3') }),
      );
      expect(found).toContainEqual(expect.objectContaining({ check: 'upstream', level: 'ok' }));
    });

    test.skipIf(isQuick)(
      'an upstream that Harbor believes to be unhealthy (slow: 5 minutes on a real one)',
      { timeout: 3 * patientMs },
      async () => {
        const { subject } = suite;
        const { name: project } = await subject.project({ proxy: true });
        const agent = suite.agent([await subject.systemRobot(['repository:pull'], ['registry:read'])]);
        await subject.setUpstream('unhealthy');
        expect(await lookAtProject(agent, project)).toContainEqual(
          expect.objectContaining({ check: 'upstream', level: 'failure' }),
        );
      },
    );
  });
}
