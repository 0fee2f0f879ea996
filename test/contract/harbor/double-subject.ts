/** Behaviours on the double. */

import { type Harbor, parseRights, startHarbor } from '../../harness/harbor/harbor.ts';
import type { HarborSubject } from './subject.ts';

/** @param checkPeriodMs so long that what is counted is over before ten of them are */
export async function makeDoubleSubject(checkPeriodMs = 100): Promise<HarborSubject & { readonly harbor: Harbor }> {
  const harbor = await startHarbor({ timing: { checkPeriodMs, tagPeriodMs: Math.max(10, checkPeriodMs / 10) } });
  let made = 0;
  return {
    name: 'the double',
    harbor,
    url: harbor.url,
    admin: harbor.admin,
    checkPeriodMs: harbor.timing.checkPeriodMs,
    upstream: harbor.upstream.registry,
    async project({ public: isPublic = false, proxy = false, metadata = {} } = {}) {
      made += 1;
      const proxyOf = proxy ? { proxyOf: harbor.upstream } : {};
      const { name, id } = harbor.addProject(`p${made}`, { public: isPublic, metadata, ...proxyOf });
      return { name, id };
    },
    async robot(project, ...rights) {
      made += 1;
      return harbor.loginOf(harbor.addRobot({ project, name: `r${made}`, permissions: parseRights(...rights) }));
    },
    push: async (repository, tag, image) => (await harbor.push(repository, tag, image)).digest,
    async label(repository, reference, { name, id }) {
      made += 1;
      const label = harbor.addLabel(
        `label${made}`,
        harbor.projects.find((project) => project.id === id && project.name === name),
      );
      harbor.artifact(repository, reference).labels.push(label);
      return label.id;
    },
    setUpstream: (state) => harbor.upstream.setState(state),
    remove: () => harbor.remove(),
  };
}
