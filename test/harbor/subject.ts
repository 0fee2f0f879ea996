/** What the behaviours need of a Harbor, beside what `contract/harbor/subject.ts` has: the double and a real one have the same. */

import type { Login } from '../harness/harbor/harbor.ts';
import type { RegistryRequest } from '../harness/registry.ts';
import type { HarborSubject, SubjectProject } from '../contract/harbor/subject.ts';

export type { Login } from '../harness/harbor/harbor.ts';
export type { SubjectProject } from '../contract/harbor/subject.ts';

/** A manifest that is no image of `harness/images.ts`, such as a signature. */
export interface OtherContent {
  readonly manifest: string;
  readonly mediaType: string;
  readonly tag: string;
  /** Texts that the manifest names. */
  readonly blobs: readonly string[];
}

export interface BehaviourSubject extends HarborSubject {
  /** `NAME:PORT`, as in references. */
  readonly host: string;
  /** Of the whole system. @param inProjects rights in every project */
  systemRobot(inProjects: readonly string[], inSystem: readonly string[]): Promise<Login>;
  disable(robot: Login): Promise<void>;
  put(repository: string, content: OtherContent): Promise<void>;
  /** A label of the project, made where it is missing. */
  addLabel(project: SubjectProject, repository: string, reference: string, name: string): Promise<void>;
  /** From now on the project has a scanner, and what is in it counts as not scanned. */
  useScanner(project: SubjectProject): Promise<void>;
  /** Scans an image, or every image of an index, with this result; done when Harbor says so. */
  scan(project: SubjectProject, repository: string, reference: string, severity: string): Promise<void>;
  /** Replaces the project's retention by one rule for everything. It never runs. */
  retain(project: SubjectProject, template: string, parameter: number): Promise<void>;
  /** As a clean-up does it. */
  removeArtifact(project: SubjectProject, repository: string, reference: string): Promise<void>;
}

/** @param checkPeriodMs of a double: so long that what is counted is over before ten of them are */
export type BehaviourMaker = (checkPeriodMs?: number) => Promise<BehaviourSubject>;

export interface BehaviourOptions {
  /** Leaves out what takes a real Harbor minutes. */
  readonly isQuick?: boolean;
  /** The harness's gateway has no certificate. */
  readonly isTls?: boolean;
}

/** What was asked of the upstream for clients. Harbor's own look at `/v2/`, for logins and health, comes when it likes. */
export function upstreamRequests({ upstream }: Pick<BehaviourSubject, 'upstream'>): readonly RegistryRequest[] {
  return upstream.requests.filter(({ path }) => path !== '/v2/');
}
