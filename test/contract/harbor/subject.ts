/** A Harbor that behaviours are tried on: the double, or a real one. Each test takes projects of its own. */

import type { Login, UpstreamState } from '../../harness/harbor/harbor.ts';
import type { BuiltImage, BuiltIndex } from '../../harness/images.ts';
import type { TestRegistry } from '../../harness/registry.ts';
import { ask, type Asked, type Reply } from './client.ts';

export interface SubjectProject {
  readonly name: string;
  readonly id: number;
}

export interface HarborSubject {
  readonly name: string;
  readonly url: string;
  readonly admin: Login;
  /** Between two looks of a proxy project's background. */
  readonly checkPeriodMs: number;
  /** Behind the first endpoint; requests and faults are its own. */
  readonly upstream: TestRegistry;
  /** @param metadata values are strings. A proxy project has `upstream` behind it */
  project(options?: { public?: boolean; proxy?: boolean; metadata?: Record<string, string> }): Promise<SubjectProject>;
  /** @param rights such as `repository:pull`, in this project only */
  robot(project: string, ...rights: readonly string[]): Promise<Login>;
  push(repository: string, tag: string, image: BuiltImage | BuiltIndex): Promise<string>;
  /** Gives an artifact a new label of its project. @returns the label's id */
  label(repository: string, reference: string, project: SubjectProject): Promise<number>;
  /** Harbor's belief follows at once, where it would after its next check. */
  setUpstream(state: UpstreamState): Promise<void>;
  remove(): Promise<void>;
}

export type SubjectMaker = () => Promise<HarborSubject>;

export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** With Basic credentials; in the registry every type of manifest is accepted. */
export function askAs(subject: HarborSubject, login: Login | undefined, asked: Asked): Promise<Reply> {
  // The REST API refuses who does not take JSON.
  const accept = asked.path.startsWith('/v2/') ? { accept: manifestTypes } : {};
  return ask(subject.url, { ...asked, headers: { ...accept, ...basic(login), ...asked.headers } });
}

export function basic(login: Login | undefined): Record<string, string> {
  if (login === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}` };
}

export function firstError({ body }: Reply): { code: string; message: string } | undefined {
  return (JSON.parse(body.toString()) as { errors: { code: string; message: string }[] }).errors[0];
}
