/** What happened on this node that people should hear of: few, one for each change of state. In a cluster they become Events on the Node. */

import type { FailureCode } from './failure.ts';

export type NodeEvent =
  | { readonly kind: 'image_set_ready'; readonly imageSet: string; readonly images: number }
  /** An image of the set failed in a way that lasts, or again and again; `code` and `message` are of the first such image. */
  | {
      readonly kind: 'image_set_failed';
      readonly imageSet: string;
      readonly reference: string;
      readonly code: FailureCode;
      readonly message: string;
    }
  /** An image of the set that is here is not given out any more by its registry, in whose words `message` is. */
  | { readonly kind: 'image_refused'; readonly imageSet: string; readonly reference: string; readonly message: string }
  | { readonly kind: 'images_lost'; readonly references: readonly string[] }
  | { readonly kind: 'prune_target_missed'; readonly targetBytes: number; readonly shortfallBytes: number }
  /** `source` is the ConfigMap; `mistakes` is one text that names path, value and rule of each. */
  | { readonly kind: 'configuration_refused'; readonly source: string; readonly mistakes: string }
  | { readonly kind: 'gate_released'; readonly taint: string; readonly heldSeconds: number }
  /** The gate's deadline passed before its sets were complete: the node was let go without them. */
  | { readonly kind: 'gate_deadline_passed'; readonly taint: string; readonly missing: readonly string[] };

/** Takes events without waiting and never throws; what cannot be told is dropped with a line in the log. */
export type Announce = (event: NodeEvent) => void;
