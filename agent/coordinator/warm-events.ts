import type { CredentialSource } from '../core/configuration.ts';
import type { Failure } from '../core/failure.ts';
import type { WarmOutcome } from '../work/harbor-recorder.ts';

/** An image behind a proxy-cache project that is to be warmed. */
export interface WarmOrder {
  /** With its tag or digest. */
  readonly reference: string;
  /** As `formatPlatform` writes them. */
  readonly platforms: readonly string[];
  readonly credentials: readonly CredentialSource[];
  /** The children that are meant, by platform; where the reference shows others by now, it is left alone. Undefined: whatever it shows. */
  readonly children?: ReadonlyMap<string, string>;
}

export type WarmEvent =
  /** The manifests are read: so much is to be local, and so much was already. */
  | {
      readonly kind: 'image_read';
      readonly reference: string;
      readonly blobs: number;
      readonly bytes: number;
      readonly localBlobs: number;
      readonly localBytes: number;
    }
  | { readonly kind: 'blob_begun'; readonly reference: string; readonly digest: string; readonly bytes: number }
  /** Bytes of a blob that is read through, as they come. */
  | { readonly kind: 'blob_read'; readonly reference: string; readonly digest: string; readonly bytes: number }
  | {
      readonly kind: 'blob_warm';
      readonly reference: string;
      readonly digest: string;
      readonly bytes: number;
      readonly seconds: number;
      /** Opened and broken off; read to the end; or Harbor fetched it by itself. */
      readonly how: 'touched' | 'read' | 'fetched';
    }
  /** Another way is taken, and why. */
  | { readonly kind: 'fallback'; readonly reference: string; readonly message: string }
  | { readonly kind: 'retry'; readonly reference: string; readonly message: string; readonly waitMs: number }
  /** `certain` false: the login may not see whether Harbor has it, and Harbor's own period was waited for. */
  | {
      readonly kind: 'child_warm';
      readonly reference: string;
      readonly platform: string;
      readonly digest: string;
      readonly certain: boolean;
    }
  | { readonly kind: 'image_warm'; readonly reference: string; readonly bytes: number; readonly seconds: number }
  | {
      readonly kind: 'image_cold';
      readonly reference: string;
      readonly outcome: WarmOutcome;
      readonly message: string;
    };

export type OnWarmEvent = (event: WarmEvent) => void;

export interface WarmResult {
  readonly outcome: WarmOutcome;
  /** Of blobs that were not local before. */
  readonly bytes: number;
  readonly seconds: number;
  /** Why it is not warm. */
  readonly failure: Failure | undefined;
}
