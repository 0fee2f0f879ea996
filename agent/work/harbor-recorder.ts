/** What registries, Harbor and the coordinator report; ops/harbor-metrics.ts implements it. Names of registries are those of the configuration. */

import type { FailureCode } from '../core/failure.ts';

export const registryOperations = ['token', 'manifest', 'blob', 'tags', 'referrers', 'api'] as const;
export type RegistryOperation = (typeof registryOperations)[number];

/** `off`: no part of this agent; `follower`: another one leads; `leader`; `none`: nobody leads, as far as this node sees. */
export const coordinatorStates = ['off', 'follower', 'leader', 'none'] as const;
export type CoordinatorState = (typeof coordinatorStates)[number];

export const warmOutcomes = ['warm', 'given_up', 'failed', 'aborted'] as const;
export type WarmOutcome = (typeof warmOutcomes)[number];

export interface HarborRecorder {
  /** An answer by its HTTP status, or `error` where there was none. */
  registryRequest(registry: string, operation: RegistryOperation, code: string): void;
  /** A call that failed for good, after logins and redirects, by class. */
  registryFailure(registry: string, code: FailureCode): void;

  coordinatorState(state: CoordinatorState): void;
  /** When what is in force was last resolved, epoch ms, by whoever did; undefined: never. */
  resolvedAt(at: number | undefined): void;
  /** Leader, or a node that resolves for itself: what the last round came to. */
  resolved(images: number, patterns: number, failed: number, refused: number, seconds: number): void;
  /** What was found to be published is too big, or could not be written. */
  publishFailed(): void;

  /** Leader: images behind proxy-cache projects, by whether they are warm now. */
  warmImages(warm: number, cold: number): void;
  warmed(outcome: WarmOutcome, bytes: number, seconds: number): void;

  /** Leader: desired images that a retention rule would delete, and touches that kept some alive. */
  retentionAtRisk(project: string, images: number): void;
  keptAlive(): void;

  /** Leader: whether Harbor answered, and the health of its components as it tells them. */
  harborReachable(registry: string, reachable: boolean): void;
  harborComponent(registry: string, component: string, healthy: boolean): void;
  /** Leader, where it may be read. `hardBytes` undefined: no limit. */
  projectQuota(registry: string, project: string, usedBytes: number, hardBytes: number | undefined): void;
}
