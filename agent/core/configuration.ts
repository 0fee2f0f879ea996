/** The parsed configuration: what the rest of the agent trusts. config/schema.ts makes it from what the user wrote. */

import type { LabelSelector } from './label-selector.ts';
import type { Watermark } from './watermark.ts';
import type { Window } from './window.ts';

export interface RegistrySettings {
  /** `harbor.example.com`, `cache.lan:5000`; normalised as in references (`docker.io`). */
  readonly host: string;
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
  readonly nodeSelector: LabelSelector;
  /** Normalised references, no doubles. */
  readonly images: readonly string[];
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
}

export interface Configuration {
  readonly registries: readonly RegistrySettings[];
  readonly credentials: readonly CredentialSource[];
  readonly imageSets: readonly ImageSet[];
  readonly prefetch: PrefetchSettings;
  readonly prune: { readonly watermarks: { readonly high: Watermark } };
}

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
