/**
 * A Harbor 2.15 in the test's own process, in front of a real docker-registry, with a second one as the upstream of its
 * proxy-cache projects. What it reproduces, and what not: "The Harbor of the tests" in test/README.md.
 *
 *     const harbor = await startHarbor();                                   // tls, timing: { checkPeriodMs: 20 }, upstream: 'docker-hub'
 *     const app = harbor.addProject('app', { metadata: { prevent_vul: 'true', severity: 'high' } });
 *     const robot = harbor.addRobot({ project: 'app', name: 'pull', permissions: parseRights('repository:pull') });
 *     const pushed = await harbor.push('app/team/web', 'v1', image);        // straight to storage: digest, reference
 *     harbor.artifact('app/team/web', 'v1').scan = { status: 'Success', severity: 'High', counts: { High: 2 } };
 *     harbor.addProject('px', { proxyOf: harbor.upstream });                // pull `px/lib/app:v1`
 *     await harbor.upstream.registry.push('lib/app', 'v1', image);
 *     …
 *     harbor.loginOf(robot);                                                // { username, password }; harbor.admin for the administrator
 *     harbor.requests.filter(({ path }) => path.startsWith('/v2/'));        // each with user, status, what it cost upstream
 *     harbor.upstream.counts();                                             // heads, manifests, blobs, bytes; reset() clears
 *     await harbor.upstream.setState('hanging');                            // 'healthy', 'down', 'unhealthy', 401, 403, 404, 429, 500
 *     harbor.faults.answer = (method, path) => (path.includes('/manifests/') ? htmlPage(502) : undefined);
 *     await harbor.evict('px/lib/app', digest);                             // a blob or a manifest is gone
 *     harbor.installation.redirectsBlobs = true;                            // 307 to harbor.storageHost, which logs what it sees
 *     await harbor.settled();                                               // no fill, no background loop under way
 *     const gateway = await startGateway({ target: harbor.host, passesAborts: false });
 *     await harbor.remove();
 */

import type { BuiltImage, BuiltIndex } from '../images.ts';
import { type PushedImage, startRegistry, type TestRegistry } from '../registry.ts';
import type { Accounts, Login, NewRobot } from './accounts.ts';
import { Backend } from './backend.ts';
import type { HarborRequest } from './call.ts';
import type { Catalogue } from './catalogue.ts';
import { type NewContent, pushImageTo, putContent } from './content.ts';
import { type Artifact, isDigest, type Label, type Project, type RetentionRule, type Robot } from './model.ts';
import { type HarborFaults, startServer, type Tls } from './server.ts';
import { type StorageHost, startStorageHost } from './storage-host.ts';
import { HarborSystem, type Installation, type NewProject, type Timing } from './system.ts';
import { Upstream } from './upstream.ts';

export { parseRights, toBasic } from './accounts.ts';
export type { Account, Login, NewRobot } from './accounts.ts';
export type { HarborRequest } from './call.ts';
export { type Gateway, startGateway } from './gateway.ts';
export type { Artifact, Label, Permission, Project, RetentionRule, Robot, Scan } from './model.ts';
export { type HarborFaults, htmlPage, plainError } from './server.ts';
export type { Upstream, UpstreamCounts, UpstreamState } from './upstream.ts';

export interface HarborOptions {
  readonly tls?: Tls;
  readonly timing?: Partial<Timing>;
  /** Kind of the first upstream; default `docker-registry`. */
  readonly upstream?: Upstream['kind'];
}

export interface Harbor {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** With the scheme. */
  readonly url: string;
  readonly admin: Login;
  readonly accounts: Accounts;
  readonly catalogue: Catalogue;
  readonly projects: readonly Project[];
  readonly robots: readonly Robot[];
  readonly installation: Installation;
  readonly timing: Timing;
  readonly faults: HarborFaults;
  /** Oldest first, also those without an answer. Clear it with `requests.length = 0`. */
  readonly requests: HarborRequest[];
  /** The first one. */
  readonly upstream: Upstream;
  /** Harbor's own registry: its `faults` slow down or cut what is local. */
  readonly storage: TestRegistry;
  readonly storageHost: StorageHost;
  addUpstream(kind?: Upstream['kind']): Promise<Upstream>;
  addProject(name: string, options?: NewProject): Project;
  addRobot(robot: NewRobot): Robot;
  loginOf(robot: Robot): Login;
  addLabel(name: string, project?: Project): Label;
  /** Replaces the project's retention policy. */
  retain(project: Project, rules: readonly RetentionRule[], cron?: string): void;
  /** The project has to be there. @param pushedAt of the artifacts and the tag; default now */
  push(repository: string, tag: string, image: BuiltImage | BuiltIndex, pushedAt?: Date): Promise<PushedImage>;
  /** Any manifest with its blobs, such as a signature. @returns its digest */
  put(repository: string, content: NewContent): Promise<string>;
  /** @throws Error where Harbor has none */
  artifact(repository: string, reference: string): Artifact;
  /** Lets a tag point at an artifact that is there. */
  moveTag(repository: string, tag: string, digest: string): void;
  deleteTag(repository: string, tag: string): void;
  /** Removes a blob or a manifest, as a clean-up would. */
  evict(repository: string, digest: string): Promise<void>;
  /** Tokens that were given so far are no longer good. */
  expireTokens(): void;
  /** Once the background of proxy projects has nothing to do. */
  settled(timeoutMs?: number): Promise<void>;
  /** Nobody answers, open connections break; `start` brings it back on the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

const defaultTiming: Timing = { badLoginDelayMs: 5, checkPeriodMs: 20, tagPeriodMs: 10, tokenLifetimeMs: 1_800_000 };

export async function startHarbor(options: HarborOptions = {}): Promise<Harbor> {
  const [storage, first] = await Promise.all([startRegistry(), startRegistry()]);
  const end = new AbortController();
  const backend = new Backend(storage.host);
  const storageHost = await startStorageHost(backend);
  const system = new HarborSystem(backend, storageHost, { ...defaultTiming, ...options.timing }, end.signal);
  const server = await startServer(system, options.tls);
  const host = `127.0.0.1:${server.port}`;
  const upstream = new Upstream(1, options.upstream ?? 'docker-registry', first);
  system.upstreams.push(upstream);
  const { accounts, catalogue } = system;

  return {
    host,
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
    admin: accounts.admin,
    accounts,
    catalogue,
    projects: system.projects,
    robots: accounts.robots,
    installation: system.installation,
    timing: system.timing,
    faults: server.faults,
    requests: server.requests,
    upstream,
    storage,
    storageHost,
    async addUpstream(kind = 'docker-registry') {
      const added = new Upstream(system.upstreams.length + 1, kind, await startRegistry());
      system.upstreams.push(added);
      return added;
    },
    addProject: (name, wanted) => system.addProject(name, wanted),
    addRobot: (robot) => accounts.add(robot),
    loginOf: (robot) => accounts.loginOf(robot),
    addLabel: (name, project) => system.addLabel(name, project),
    retain: (project, rules, cron) => {
      system.retain(project, rules, cron);
    },
    async push(repository, tag, image, pushedAt) {
      const digest = await pushImageTo(system, repository, tag, image, pushedAt);
      const name = `${host}/${repository}`;
      return { repository, tag, digest, reference: `${name}:${tag}`, digestReference: `${name}@${digest}` };
    },
    put: (repository, content) => putContent(system, repository, content),
    artifact(repository, reference) {
      const artifact = catalogue.find(repository, reference);
      if (artifact === undefined) throw new Error(catalogue.absence(repository, reference));
      return artifact;
    },
    moveTag: (repository, tag, digest) => catalogue.tag(repository, tag, digest),
    deleteTag: (repository, tag) => void catalogue.repositories.get(repository)?.tags.delete(tag),
    async evict(repository, digest) {
      const known = catalogue.find(repository, digest);
      if (!isDigest(digest)) throw new Error(`not a digest: ${digest}`);
      catalogue.remove(repository, digest);
      await backend.delete(repository, known === undefined ? 'blobs' : 'manifests', digest);
    },
    expireTokens: () => server.tokens.expireAll(),
    async settled(timeoutMs = 10_000) {
      const { cache } = server.registryApi.proxies;
      const until = Date.now() + timeoutMs;
      while (cache.running > 0) {
        if (Date.now() > until) throw new Error(`${cache.running} fills and loops are still under way`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: () => server.stop(),
    start: () => server.start(),
    async remove() {
      end.abort();
      await server.stop();
      await storageHost.stop();
      backend.close();
      await Promise.all([storage.remove(), ...system.upstreams.map((one) => one.close())]);
    },
  };
}
