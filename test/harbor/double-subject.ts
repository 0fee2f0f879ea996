/** Behaviours on the double. */

import { makeDoubleSubject as makeBase } from '../contract/harbor/double-subject.ts';
import { parseRights } from '../harness/harbor/harbor.ts';
import { putContent } from './content-push.ts';
import type { BehaviourSubject, Login } from './subject.ts';

export async function makeDoubleSubject(checkPeriodMs?: number): Promise<BehaviourSubject> {
  const base = await makeBase(checkPeriodMs);
  const { harbor, admin } = base;
  let made = 0;
  const projectOf = (name: string) => {
    const project = harbor.projects.find((one) => one.name === name);
    if (project === undefined) throw new Error(`no project ${name}`);
    return project;
  };
  harbor.installation.hasScanner = false;
  return {
    ...base,
    host: harbor.host,
    async systemRobot(inProjects, inSystem) {
      made += 1;
      const permissions = [
        { kind: 'project' as const, namespace: '*', access: parseRights(...inProjects) },
        { kind: 'system' as const, namespace: '/', access: parseRights(...inSystem) },
      ];
      return harbor.loginOf(harbor.addRobot({ name: `s${made}`, permissions }));
    },
    async disable(login: Login) {
      const robot = harbor.robots.find((one) => harbor.loginOf(one).username === login.username);
      if (robot !== undefined) robot.disabled = true;
    },
    put: (repository, content) => putContent(harbor.url, admin, repository, content),
    async addLabel(project, repository, reference, name) {
      const label = labelOf(name) ?? harbor.addLabel(name, projectOf(project.name));
      harbor.artifact(repository, reference).labels.push(label);
    },
    async useScanner() {
      harbor.installation.hasScanner = true;
    },
    async scan(_, repository, reference, severity) {
      const artifact = harbor.artifact(repository, reference);
      const all = [artifact, ...artifact.children.map(({ digest }) => harbor.artifact(repository, digest))];
      const counts = severity === 'None' ? {} : { [severity]: 1 };
      for (const one of all) one.scan = { status: 'Success', severity, counts };
    },
    async retain({ name }, template, parameter) {
      harbor.retain(projectOf(name), [{ template, params: { [template]: parameter } }], undefined);
    },
    async removeArtifact(_, repository, reference) {
      await harbor.evict(repository, harbor.artifact(repository, reference).digest);
    },
  };

  function labelOf(name: string) {
    for (const { artifacts } of harbor.catalogue.repositories.values()) {
      for (const { labels } of artifacts.values()) {
        const label = labels.find((one) => one.name === name);
        if (label !== undefined) return label;
      }
    }
    return undefined;
  }
}
