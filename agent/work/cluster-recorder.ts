/** What the parts that work with Kubernetes report; ops/cluster-metrics.ts implements it. */

import type { GateReleaseReason } from '../core/gate.ts';
import type { HoldReason } from '../core/node-holds.ts';

export interface ClusterRecorder {
  /** An answer of the API server by its HTTP status, or `error` where there was none. */
  clusterRequest(verb: string, resource: string, code: string): void;
  /** A watch broke and begins again. */
  clusterWatchRestarted(resource: string): void;
  /** Whether both watches are known to live. */
  clusterUp(up: boolean): void;
  /** The API server was heard last, epoch ms: an answer, a watch event or a bookmark. */
  clusterContact(at: number): void;
  /** Team ConfigMaps that are refused now, whole or in part. */
  teamConfigMapsRefused(count: number): void;
  /** Undefined: it could not be tested. */
  admissionPolicyInForce(inForce: boolean | undefined): void;
  /** What the node itself holds back now, by job; undefined: nothing. */
  nodeHolds(pull: HoldReason | undefined, prune: HoldReason | undefined): void;
  pullSlotHeld(held: boolean): void;
  /** How long the node waited for a slot before it got one, seconds. */
  pullSlotAcquired(waitedSeconds: number): void;
  /** Pulls went on without a slot since the Leases could not be asked. */
  pullSlotFailedOpen(): void;
  /** The node carries the gate's taint, and it is up to us to remove it. */
  gateHeld(held: boolean): void;
  gateReleased(reason: GateReleaseReason, heldSeconds: number): void;
  /** An Event that could not be written, or was left out as there were too many. */
  nodeEventDropped(): void;
}
