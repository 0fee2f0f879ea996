/** What one round of pulling tells whoever asked for it (`stevedore pull`), also over the control socket as JSON lines. */

import type { FailureCode } from './failure.ts';

export type RoundOutcome = 'noop' | 'success' | 'partial' | 'error';

export type PullRoundEvent =
  | { readonly kind: 'started'; readonly reference: string; readonly totalBytes: number | undefined }
  | {
      readonly kind: 'progress';
      readonly reference: string;
      readonly downloadedBytes: number;
      readonly totalBytes: number | undefined;
    }
  | { readonly kind: 'pulled'; readonly reference: string; readonly seconds: number; readonly bytes: number }
  | { readonly kind: 'failed'; readonly reference: string; readonly code: FailureCode; readonly message: string }
  /** Still missing at the end of the round, and why: a wait reason or `refused`. */
  | { readonly kind: 'waiting'; readonly reference: string; readonly reason: string; readonly message: string }
  | {
      readonly kind: 'done';
      readonly outcome: RoundOutcome;
      readonly pulled: number;
      readonly failed: number;
      readonly waiting: number;
      readonly present: number;
    };
