/** How far a selected image set is on this node: what labels, condition, Events and gate are made from. */

import type { FailureCode } from './failure.ts';

export interface MissingImage {
  readonly reference: string;
  /** `queued`, `running`, a wait reason of the pull plan, or `refused`. */
  readonly why: string;
  /** Undefined: it has not failed. */
  readonly failure: FailureCode | undefined;
  readonly message: string | undefined;
}

export interface ImageSetState {
  readonly name: string;
  readonly gate: boolean;
  /** Distinct images that the set asks for. */
  readonly images: number;
  /** Those of them that are not here whole; empty: the set is ready. A tag that moved is here until the new image has replaced it. */
  readonly missing: readonly MissingImage[];
}
