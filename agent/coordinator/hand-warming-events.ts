import type { CredentialSource } from '../core/configuration.ts';
import type { FailureCode } from '../core/failure.ts';
import type { RoundOutcome } from '../core/pull-round.ts';
import type { WarmEvent } from './warm-events.ts';

/** What somebody asks for by hand (`stevedore warm`). */
export interface HandWarmOrder {
  readonly images: readonly {
    /** As `storedName` writes it. */
    readonly reference: string;
    /** Of the sets that name it, to be tried before the common ones. */
    readonly credentials: readonly CredentialSource[];
  }[];
  /** As `formatPlatform` writes them. */
  readonly platforms: readonly string[];
  /** They were named: one that an image does not have is a failure. */
  readonly arePlatformsNamed: boolean;
  /**
   * `look`: only asks what is there, so that nothing is fetched; `sizes`: also reads the manifests of what is cold, after which Harbor 2.15.2 fetches it by
   * itself some 200 s later.
   */
  readonly dryRun: 'off' | 'look' | 'sizes';
  /** Compressed bytes of images that somebody resolved before, by the digest of the platform's own manifest. */
  readonly knownBytes: ReadonlyMap<string, number>;
}

export type HandWarmEvent =
  | Exclude<WarmEvent, { readonly kind: 'image_cold' }>
  /** Nothing is behind it that could be cold. */
  | { readonly kind: 'unneeded'; readonly reference: string; readonly message: string }
  /** Of a dry run. */
  | {
      readonly kind: 'platform';
      readonly reference: string;
      readonly platform: string;
      /** Undefined: the index does not tell. */
      readonly digest: string | undefined;
      readonly state: 'warm' | 'cold' | 'unknown';
      /** What Harbor would fetch; undefined: that is not known. */
      readonly missingBytes: number | undefined;
      /** What is not known, and why. */
      readonly message: string | undefined;
    }
  | { readonly kind: 'missing_platform'; readonly reference: string; readonly platform: string }
  | { readonly kind: 'failed'; readonly reference: string; readonly code: FailureCode; readonly message: string }
  | {
      readonly kind: 'done';
      readonly outcome: RoundOutcome;
      readonly dryRun: boolean;
      readonly warm: number;
      /** Of a dry run: images some platform of which is cold; of the others, those some platform of which may be. */
      readonly cold: number;
      readonly unknown: number;
      /** Of a dry run: all that Harbor would fetch; undefined: some of it is not known. */
      readonly missingBytes: number | undefined;
      readonly unneeded: number;
      readonly failed: number;
    };

export type OnHandWarmEvent = (event: HandWarmEvent) => void;
