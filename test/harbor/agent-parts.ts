/** The agent's own clients and coordinator parts, on a subject. */

import { Resolver } from '../../agent/coordinator/resolver.ts';
import { ProjectBook } from '../../agent/coordinator/project-book.ts';
import { Warmer } from '../../agent/coordinator/warmer.ts';
import type { WarmEvent, WarmOrder, WarmResult } from '../../agent/coordinator/warm-events.ts';
import type { WarmMethod } from '../../agent/core/configuration.ts';
import { Credential } from '../../agent/core/credentials.ts';
import type { WantedImage, WantedPattern } from '../../agent/core/demand.ts';
import { silentLogger } from '../../agent/core/logger.ts';
import { patternKey, type RepositoryPattern } from '../../agent/core/repository-pattern.ts';
import { noResolutions, type Resolutions } from '../../agent/core/resolution.ts';
import type { Harbor, HarborLogin } from '../../agent/registry/harbor.ts';
import { createHarbor } from '../../agent/registry/harbor-api.ts';
import type { ImageSource } from '../../agent/registry/image-source.ts';
import { createOciRegistry } from '../../agent/registry/oci-registry.ts';
import { RecordingHarborRecorder } from '../fakes/recording-harbor-recorder.ts';
import type { Login } from './subject.ts';

export const never = new AbortController().signal;
export const bothPlatforms = ['linux/amd64', 'linux/arm64'];

/** What a resolving and warming robot of a project is given. */
export const resolverRights = [
  'repository:pull',
  'repository:list',
  'repository:read',
  'artifact:list',
  'artifact:read',
  'accessory:list',
  'artifact-addition:read',
  'tag:list',
  'label:list',
  'project:read',
  'tag-retention:read',
  'quota:read',
];

export interface AgentParts {
  readonly host: string;
  readonly source: ImageSource;
  readonly harbor: Harbor;
  readonly login: HarborLogin;
  readonly projects: ProjectBook;
  readonly recorder: RecordingHarborRecorder;
  readonly credentials: readonly Credential[];
  createResolver(options?: { warms?: boolean }): Resolver;
  createWarmer(settings?: { method?: WarmMethod }): Warmer;
  close(): Promise<void>;
}

export interface AgentOptions {
  readonly host: string;
  readonly plainHTTP: boolean;
  /** Of one request; default as the coordinator has it. */
  readonly totalMs?: number;
}

export function createAgentParts(
  logins: readonly Login[],
  { host, plainHTTP, totalMs = 30_000 }: AgentOptions,
): AgentParts {
  const registries = () => [
    { host, plainHTTP, insecureSkipVerify: false, caFile: undefined, tokenHosts: [], harbor: true },
  ];
  const platform = { os: 'linux', architecture: 'amd64' };
  const timeouts = { connectMs: 5_000, idleMs: Math.min(20_000, totalMs), totalMs };
  const blobTimeouts = { connectMs: 5_000, idleMs: 300_000, totalMs: 300_000 };
  const source = createOciRegistry({ registries, platform, timeouts });
  const blobs = createOciRegistry({ registries, platform, timeouts: blobTimeouts, maxRequests: 32 });
  const harbor = createHarbor({ registries, timeouts });
  const credentials = logins.map(({ username, password }) => new Credential(host, username, password));
  const credentialsFor = () => Promise.resolve(credentials);
  const projects = new ProjectBook({ harbor, credentialsFor });
  const recorder = new RecordingHarborRecorder();
  return {
    host,
    source,
    harbor,
    login: { host, credentials },
    projects,
    recorder,
    credentials,
    createResolver: ({ warms = false } = {}) =>
      new Resolver({
        source,
        harbor,
        projects,
        credentialsFor,
        log: silentLogger,
        isHarbor: (name) => name === host,
        warms: () => warms,
      }),
    createWarmer: ({ method = 'abort' } = {}) =>
      new Warmer({
        source: blobs,
        harbor,
        credentialsFor,
        recorder,
        log: silentLogger,
        settings: () => ({ enabled: true, method, maxParallel: 2, maxPerMinute: undefined, deadlineMs: 900_000 }),
      }),
    async close() {
      await Promise.all([source.close(), blobs.close(), harbor.close()]);
    },
  };
}

/** Asked in every round. */
export function wantImage(reference: string, platforms: readonly string[] = bothPlatforms): WantedImage {
  return { reference, platforms, credentials: [], everyMs: 0 };
}

/** Asked in every round. @param place `project/repository`, with globs */
export function wantPattern(host: string, place: string, asked: Partial<RepositoryPattern> = {}): WantedPattern {
  const slash = place.indexOf('/');
  const pattern: RepositoryPattern = {
    registry: host,
    project: place.slice(0, slash),
    repository: place.slice(slash + 1),
    tags: { match: undefined, regex: undefined, semver: undefined, newest: undefined, newestBy: 'push_time' },
    labels: [],
    maxSeverity: undefined,
    unscanned: 'refuse',
    signed: undefined,
    signedBy: [],
    ...asked,
  };
  return { key: patternKey(pattern), pattern, platforms: bothPlatforms, credentials: [], everyMs: 0 };
}

export function resolveImage(
  resolver: Resolver,
  wanted: WantedImage,
  before: Resolutions = noResolutions,
): Promise<Resolutions> {
  return resolver.resolve({ images: [wanted], patterns: [] }, before, never);
}

export function resolvePattern(
  resolver: Resolver,
  wanted: WantedPattern,
  before: Resolutions = noResolutions,
): Promise<Resolutions> {
  return resolver.resolve({ images: [], patterns: [wanted] }, before, never);
}

export async function warm(
  warmer: Warmer,
  order: Omit<WarmOrder, 'credentials' | 'platforms'>,
): Promise<WarmResult & { readonly events: readonly WarmEvent[] }> {
  const events: WarmEvent[] = [];
  const whole = { ...order, platforms: bothPlatforms, credentials: [] };
  const result = await warmer.warm(whole, (event) => events.push(event), never);
  return { ...result, events };
}
