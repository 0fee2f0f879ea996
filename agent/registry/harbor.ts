/**
 * The port to Harbor's REST API 2.0. `harbor-api.ts` implements it on undici. Every method takes the credentials that belong to the project (or host)
 * and tries them in order; none: anonymously. Errors are Failures as of `Registry`; a missing permission is `auth` with detail `forbidden` and a message
 * that names it as Harbor does.
 */

import type { Credential } from '../core/credentials.ts';

/** Who asks whom. */
export interface HarborLogin {
  /** As in references. */
  readonly host: string;
  readonly credentials: readonly Credential[];
}

export interface HarborSystem {
  /** `v2.15.2-…`; undefined: Harbor took nobody's credentials (it answers 200 all the same). */
  readonly version: string | undefined;
  readonly externalUrl: string | undefined;
  readonly readOnly: boolean | undefined;
  /** Harbor's clock, epoch ms, and ours in the middle of that request. */
  readonly clock: { readonly harborAt: number; readonly ownAt: number } | undefined;
}

export interface HarborComponent {
  readonly name: string;
  readonly healthy: boolean;
  readonly error: string | undefined;
}

export interface HarborProject {
  readonly id: number;
  readonly name: string;
  /** The registry endpoint that it is a proxy cache of; undefined: an ordinary project. */
  readonly upstreamId: number | undefined;
  readonly isPublic: boolean;
  /** All strings, as Harbor has them: `prevent_vul`, `severity`, `retention_id`, `max_upstream_conn`, … */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface HarborPermission {
  readonly resource: string;
  readonly action: string;
}

export interface HarborTag {
  readonly name: string;
  /** Epoch ms. */
  readonly pushedAt: number;
  /** Undefined: never. */
  readonly pulledAt: number | undefined;
}

export interface HarborScan {
  /** `Success`, `Pending`, `Running`, `Error`, … as Harbor writes it. */
  readonly status: string;
  /** As Harbor writes it: `High`; undefined: not finished. */
  readonly severity: string | undefined;
}

export interface HarborArtifact {
  readonly digest: string;
  /** `IMAGE`, `CHART`, … */
  readonly type: string;
  /** Without the project. */
  readonly repository: string;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly tags: readonly HarborTag[];
  readonly labels: readonly string[];
  /** Children of an index. */
  readonly children: readonly {
    readonly digest: string;
    readonly os: string | undefined;
    readonly architecture: string | undefined;
    readonly variant: string | undefined;
  }[];
  /** `signature.cosign`, `signature.notation`, `sbom.harbor`, … with the accessory's digest. */
  readonly accessories: readonly { readonly type: string; readonly digest: string }[];
  /** Undefined: never scanned. */
  readonly scan: HarborScan | undefined;
}

export interface ArtifactQuery {
  /** Names of labels, all of which it must have; looked up by the adapter. */
  readonly labels?: readonly string[];
  readonly withScan?: boolean;
  readonly withAccessories?: boolean;
  readonly withLabels?: boolean;
  /** After each page, with how many there are so far: a list takes as long as it has pages. What it throws ends the list. */
  readonly onPage?: (soFar: number) => void;
}

export interface HarborRetentionRule {
  /** `nDaysSinceLastPull`, `nDaysSinceLastPush`, `latestPushedK`, `latestPulledN`, `always`. */
  readonly template: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly repositories: readonly { readonly decoration: string; readonly pattern: string }[];
  readonly tags: readonly { readonly decoration: string; readonly pattern: string }[];
  readonly disabled: boolean;
}

export interface HarborRetention {
  /** What Harbor runs it by; undefined: never by itself. */
  readonly cron: string | undefined;
  readonly rules: readonly HarborRetentionRule[];
}

export interface HarborQuota {
  readonly usedBytes: number;
  /** Undefined: none. */
  readonly hardBytes: number | undefined;
}

export interface HarborRobot {
  readonly name: string;
  readonly disabled: boolean;
  /** Epoch ms; undefined: never. */
  readonly expiresAt: number | undefined;
}

export interface Harbor {
  ping(login: HarborLogin, signal: AbortSignal): Promise<void>;
  health(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborComponent[]>;
  system(login: HarborLogin, signal: AbortSignal): Promise<HarborSystem>;
  /** Whether somebody is there: the scope-less token call, since Harbor gives tokens to wrong passwords too. */
  acceptsCredential(host: string, credential: Credential, signal: AbortSignal): Promise<boolean>;

  /** Those that the account sees, public ones too, whole (paged). Needs no permission. */
  listProjects(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborProject[]>;
  /** @throws Failure `not_found` (`project_missing`) where it is certain that there is none; `auth` (`forbidden`) */
  readProject(login: HarborLogin, project: string, signal: AbortSignal): Promise<HarborProject>;
  /** Tells a wrong name from a missing right; needs valid credentials only. */
  hasProject(login: HarborLogin, project: string, signal: AbortSignal): Promise<boolean>;
  readPermissions(login: HarborLogin, projectId: number, signal: AbortSignal): Promise<readonly HarborPermission[]>;

  /** Names without the project. Empty proves nothing. */
  listRepositories(login: HarborLogin, project: string, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * All tagged ones, page by page: a tag may be newer than the artifact that it was moved to, so none can be left out for its age. Empty proves
   * nothing: an absent repository gives it too. @throws Failure also of more than 100,000
   */
  listArtifacts(
    login: HarborLogin,
    project: string,
    repository: string,
    query: ArtifactQuery,
    signal: AbortSignal,
  ): Promise<readonly HarborArtifact[]>;
  /** By tag or digest, with scan, accessories and labels. @throws Failure `not_found`: it is certain that Harbor does not have it */
  readArtifact(
    login: HarborLogin,
    project: string,
    repository: string,
    tagOrDigest: string,
    signal: AbortSignal,
  ): Promise<HarborArtifact>;

  readRetention(login: HarborLogin, retentionId: number, signal: AbortSignal): Promise<HarborRetention>;
  /** Undefined: the account may not read it. */
  readQuota(login: HarborLogin, project: string, signal: AbortSignal): Promise<HarborQuota | undefined>;
  /** As Harbor believes it: `healthy`, `unhealthy`. */
  readUpstream(
    login: HarborLogin,
    upstreamId: number,
    signal: AbortSignal,
  ): Promise<{ readonly name: string; readonly url: string; readonly status: string }>;
  /** The robots that the account may read. */
  listRobots(login: HarborLogin, signal: AbortSignal): Promise<readonly HarborRobot[]>;

  close(): Promise<void>;
}
