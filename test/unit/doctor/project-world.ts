/** A Harbor with one project and one robot, configurations that name it, and the findings of a look. */

import type { Configuration } from '../../../agent/core/configuration.ts';
import { Credential } from '../../../agent/core/credentials.ts';
import type { RepositoryPattern } from '../../../agent/core/repository-pattern.ts';
import { toProjectNeeds } from '../../../agent/doctor/harbor-needs.ts';
import { checkProjects } from '../../../agent/doctor/project-check.ts';
import { FakeHarbor } from '../../fakes/fake-harbor.ts';
import { sampleConfiguration, sampleSet } from '../../fakes/samples.ts';
import { tellOf } from './findings.ts';

export const host = 'harbor.example.com';
export const everything = [
  'repository:pull',
  'artifact:read',
  'artifact:list',
  'repository:list',
  'label:list',
  'tag-retention:read',
  'project:read',
  'quota:read',
];

export function pattern(project: string, more: Partial<RepositoryPattern> = {}): RepositoryPattern {
  return {
    registry: host,
    project,
    repository: '**',
    tags: { match: undefined, regex: undefined, semver: undefined, newest: undefined, newestBy: 'push_time' },
    labels: [],
    maxSeverity: undefined,
    unscanned: 'refuse',
    signed: undefined,
    signedBy: [],
    ...more,
  };
}

export function configure(
  images: readonly string[],
  patterns: readonly RepositoryPattern[] = [],
  more: Partial<Configuration> = {},
): Configuration {
  const registry = {
    host,
    harbor: true,
    plainHTTP: false,
    insecureSkipVerify: false,
    caFile: undefined,
    tokenHosts: [],
  };
  return { ...sampleConfiguration([sampleSet('s', images, { patterns })]), registries: [registry], ...more };
}

export function setUp(rights: readonly string[], project: Parameters<FakeHarbor['addProject']>[1] = {}): FakeHarbor {
  const harbor = new FakeHarbor(host);
  harbor.addProject('ml', project);
  harbor.addRobot('robot', 'secret', { ml: rights });
  return harbor;
}

const robot = new Credential(host, 'robot', 'secret');

export async function check(
  harbor: FakeHarbor,
  configuration: Configuration,
  credentials: readonly Credential[] = [robot],
) {
  const login = { host, credentials };
  return tellOf(async (tell, signal) => {
    for (const needs of toProjectNeeds(configuration)) {
      const listed = await harbor.listProjects(login, signal);
      await checkProjects({ harbor, login, listed }, needs, tell, signal);
    }
  });
}
