/** What the double's database holds. Tests change the mutable fields at any time. */

export interface Permission {
  readonly resource: string;
  readonly action: string;
}

/** As `POST /robots` takes it: `namespace` is a project, `*` for all of them, or `/` for the system. */
export interface PermissionGroup {
  readonly kind: 'system' | 'project';
  readonly namespace: string;
  readonly access: readonly Permission[];
}

export interface Robot {
  readonly id: number;
  /** Without prefix and project. */
  readonly name: string;
  /** Of a project robot. */
  readonly project: string | undefined;
  secret: string;
  description: string | undefined;
  permissions: readonly PermissionGroup[];
  disabled: boolean;
  /** Undefined: never. */
  expiresAt: Date | undefined;
  readonly createdAt: Date;
}

export interface Label {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
  /** Undefined: a global one. */
  readonly projectId: number | undefined;
}

export interface RetentionRule {
  /** Such as `nDaysSinceLastPull`, `nDaysSinceLastPush`, `latestPushedK`, `latestPulledN`, `always`. */
  readonly template: string;
  readonly params: Readonly<Record<string, number>>;
  /** Default `**` for both. */
  readonly repositories?: string;
  readonly tags?: string;
  readonly disabled?: boolean;
}

export interface Retention {
  readonly id: number;
  readonly projectId: number;
  rules: readonly RetentionRule[];
  /** Six fields, seconds first; undefined: run by hand only. */
  cron: string | undefined;
}

export interface Project {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
  /** Values are strings, as Harbor has them: `public`, `prevent_vul`, `severity`, `enable_content_trust_cosign`, `max_upstream_conn`, … */
  readonly metadata: Record<string, string>;
  /** Of a proxy-cache project: its upstream. */
  readonly registryId: number | undefined;
  /** Bytes; -1: no limit. */
  quotaBytes: number;
  /** Bytes in use; undefined: what the artifacts add up to. */
  usedBytes: number | undefined;
}

export type ScanStatus = 'Pending' | 'Scheduled' | 'Running' | 'Success' | 'Error' | 'Stopped';

export interface Scan {
  readonly status: ScanStatus;
  /** `None`, `Unknown`, `Negligible`, `Low`, `Medium`, `High`, `Critical`, or a word that Harbor does not know; absent until `Success`. */
  readonly severity?: string;
  /** Vulnerabilities by severity; default none. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Of the report; default Harbor's own of version 1.1. */
  readonly mimeType?: string;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Artifact {
  readonly id: number;
  /** With the project: `app/team/web`. */
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly manifestBytes: number;
  /** Of an image: config and layers. */
  readonly blobs: readonly { readonly digest: string; readonly size: number }[];
  /** Of an index. */
  readonly children: readonly { readonly digest: string; readonly platform: Platform | undefined }[];
  readonly configMediaType: string | undefined;
  /** `artifactType` of the manifest, else the config's media type. */
  readonly artifactType: string | undefined;
  /** The config of an image, where it is one. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** Of an accessory: what it belongs to, and how Harbor calls it. */
  readonly subject: { readonly digest: string; readonly type: string } | undefined;
  pushedAt: Date;
  /** Undefined: never. */
  pulledAt: Date | undefined;
  readonly labels: Label[];
  scan: Scan | undefined;
}

export interface Tag {
  readonly id: number;
  readonly name: string;
  digest: string;
  pushedAt: Date;
  pulledAt: Date | undefined;
  immutable: boolean;
}

export interface Repository {
  readonly id: number;
  readonly name: string;
  readonly projectId: number;
  readonly createdAt: Date;
  updatedAt: Date;
  pullCount: number;
  readonly artifacts: Map<string, Artifact>;
  readonly tags: Map<string, Tag>;
}

export function isDigest(reference: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(reference);
}

/** @returns the project of `app/team/web` */
export function projectOf(repository: string): string {
  return repository.slice(0, repository.indexOf('/'));
}
