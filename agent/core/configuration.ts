/** The parsed configuration: what the rest of the agent trusts. config/schema.ts makes it from what the user wrote. */

import type { CronSchedule } from './cron-schedule.ts';
import type { LabelSelector } from './label-selector.ts';
import type { LeftoverKind } from './leftovers.ts';
import type { RepositoryPattern } from './repository-pattern.ts';
import type { Watermark } from './watermark.ts';
import type { Window } from './window.ts';

export interface RegistrySettings {
  /** `harbor.example.com`, `cache.lan:5000`; normalised as in references (`docker.io`). */
  readonly host: string;
  /** It is a Harbor, whose REST API is used too. */
  readonly harbor: boolean;
  readonly plainHTTP: boolean;
  readonly insecureSkipVerify: boolean;
  readonly caFile: string | undefined;
  /** Further hosts that the registry's token realm may be on (TLS only). */
  readonly tokenHosts: readonly string[];
}

export type CredentialSource =
  | { readonly kind: 'dockerconfig'; readonly file: string }
  | { readonly kind: 'files'; readonly host: string; readonly usernameFile: string; readonly passwordFile: string };

export interface ImageSet {
  readonly name: string;
  /** The ConfigMap that has it, for people; absent where there is one file. */
  readonly source?: string;
  readonly nodeSelector: LabelSelector;
  /** Normalised references, no doubles. */
  readonly images: readonly string[];
  /** Resolved to further images through Harbor. */
  readonly patterns: readonly RepositoryPattern[];
  readonly credentials: readonly CredentialSource[];
  readonly priority: number;
  readonly gate: boolean;
  readonly pullPolicy: 'IfNotPresent' | 'Always';
  readonly refreshEveryMs: number;
  readonly window: Window | undefined;
}

export interface PrefetchSettings {
  readonly enabled: boolean;
  readonly dryRun: boolean;
  /** Undefined: 2, and 1 on a control-plane node. */
  readonly concurrency: number | undefined;
  readonly stallTimeoutMs: number;
  /** Limit on a whole pull, only where the runtime shows no progress; undefined: none. */
  readonly pullTimeoutMs: number | undefined;
  /** Globs on the normalised reference; undefined: the hosts in `registries`. */
  readonly allow: readonly string[] | undefined;
  readonly maxImageSizeBytes: number | undefined;
  /** How much of the image filesystem pinned images may take, where the runtime has pins. */
  readonly pinBudget: PinBudget;
  /** At most so many nodes of the cluster pull at once; undefined: no limit. */
  readonly maxNodes: number | undefined;
  /** Each node waits its own, fixed part of this before it pulls what was found missing. */
  readonly spreadOverMs: number;
  /** No pulls on a node that is being drained. */
  readonly pauseOnDrain: boolean;
}

export type PinBudget =
  /** Of the image filesystem's size, 0 to 1. */
  { readonly kind: 'share'; readonly ratio: number } | { readonly kind: 'bytes'; readonly bytes: number };

/** What `prune.keep` names. */
export type KeepRule =
  /** On the normalised reference, as `prefetch.allow` matches it. */
  | { readonly kind: 'glob'; readonly glob: string }
  /** An image id, or the digest of a digest name: `sha256:…`. */
  | { readonly kind: 'digest'; readonly digest: string }
  /** A label of the image's config; `value` undefined: whatever its value. */
  | { readonly kind: 'label'; readonly key: string; readonly value: string | undefined };

export interface LeftoverRule {
  readonly enabled: boolean;
  readonly unusedForMs: number;
}

/** Kinds that can be removed by option; other namespaces of containerd never are. */
export type RemovableLeftoverKind = Exclude<LeftoverKind, 'namespace'>;

export interface PruneSettings {
  readonly enabled: boolean;
  readonly dryRun: boolean;
  /** When the age tier runs. */
  readonly schedule: {
    /** As the user wrote it. */
    readonly cron: string;
    readonly schedule: CronSchedule;
    /** IANA name; undefined: the machine's own. */
    readonly timeZone: string | undefined;
  };
  /** Each node runs at its own moment within this time after a firing. */
  readonly jitterMs: number;
  readonly unusedForMs: number;
  readonly minimumAgeMs: number;
  readonly spaceGraceMs: number;
  /** All of one kind, in order: low, high, critical. */
  readonly watermarks: { readonly low: Watermark; readonly high: Watermark; readonly critical: Watermark };
  readonly keep: readonly KeepRule[];
  /** 0: none. */
  readonly keepNewestPerRepository: number;
  readonly leftovers: Readonly<Record<RemovableLeftoverKind, LeftoverRule>>;
}

/** Also in force while there is no configuration. */
export const defaultGateDeadlineMs = 900_000;

export interface GateSettings {
  /** From when the startup taint was first seen; then the node is let go whatever is missing. */
  readonly deadlineMs: number;
}

export interface CoordinatorSettings {
  /** False: this agent never resolves or warms for others. */
  readonly enabled: boolean;
  /** Between two looks at every tag and pattern. */
  readonly intervalMs: number;
  /** Touch desired images that a retention rule would delete. */
  readonly keepAlive: boolean;
}

export const warmMethods = ['abort', 'manifest', 'read'] as const;
/**
 * How Harbor is made to fetch a blob: `abort` opens it and breaks off after the headers; `manifest` reads the manifests only and waits some 200 s for Harbor's own
 * fetch; `read` reads it to the end.
 */
export type WarmMethod = (typeof warmMethods)[number];

export interface WarmSettings {
  readonly enabled: boolean;
  readonly method: WarmMethod;
  /** Blobs at once, over all images. */
  readonly maxParallel: number;
  /** Blobs begun per minute at most; undefined: no limit. */
  readonly maxPerMinute: number | undefined;
  /** From when an image was found cold; then nodes pull all the same. */
  readonly deadlineMs: number;
}

export interface Configuration {
  readonly registries: readonly RegistrySettings[];
  readonly credentials: readonly CredentialSource[];
  readonly imageSets: readonly ImageSet[];
  readonly prefetch: PrefetchSettings;
  readonly gate: GateSettings;
  readonly coordinator: CoordinatorSettings;
  readonly warm: WarmSettings;
  readonly prune: PruneSettings;
}

/** What became of a text. `source` names where it is from, for messages. */
export type ParsedConfiguration =
  | {
      readonly ok: true;
      readonly source: string;
      readonly configuration: Configuration;
      /** What is allowed, and probably not meant. */
      readonly warnings: readonly Mistake[];
    }
  | { readonly ok: false; readonly source: string; readonly mistakes: readonly Mistake[] };

/** One mistake in what a user wrote. */
export interface Mistake {
  /** `imageSets[0].window.cron` */
  readonly path: string;
  /** The value as written, shortened; undefined where a key is missing. */
  readonly value: string | undefined;
  /** The rule that it breaks, as a sentence without a full stop. */
  readonly rule: string;
  /** 1-based, where the text is YAML. */
  readonly line: number | undefined;
}
