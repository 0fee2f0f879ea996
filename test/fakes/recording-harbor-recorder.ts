import type { FailureCode } from '../../agent/core/failure.ts';
import type {
  CoordinatorState,
  HarborRecorder,
  RegistryOperation,
  WarmOutcome,
} from '../../agent/work/harbor-recorder.ts';

/** Keeps what was reported of registries, Harbor and the coordinator, for tests. */
export class RecordingHarborRecorder implements HarborRecorder {
  readonly requests: { readonly registry: string; readonly operation: RegistryOperation; readonly code: string }[] = [];
  readonly failures: { readonly registry: string; readonly code: FailureCode }[] = [];
  readonly states: CoordinatorState[] = [];
  resolvedTimes: (number | undefined)[] = [];
  readonly rounds: {
    readonly images: number;
    readonly patterns: number;
    readonly failed: number;
    readonly refused: number;
  }[] = [];
  publishFailures = 0;
  warm = { warm: 0, cold: 0 };
  readonly warmings: { readonly outcome: WarmOutcome; readonly bytes: number }[] = [];
  readonly atRisk = new Map<string, number>();
  kept = 0;
  readonly reachable = new Map<string, boolean>();
  readonly components = new Map<string, boolean>();
  readonly quotas = new Map<string, { readonly usedBytes: number; readonly hardBytes: number | undefined }>();

  get state(): CoordinatorState | undefined {
    return this.states.at(-1);
  }

  registryRequest(registry: string, operation: RegistryOperation, code: string): void {
    this.requests.push({ registry, operation, code });
  }
  registryFailure(registry: string, code: FailureCode): void {
    this.failures.push({ registry, code });
  }
  coordinatorState(state: CoordinatorState): void {
    this.states.push(state);
  }
  resolvedAt(at: number | undefined): void {
    this.resolvedTimes.push(at);
  }
  resolved(images: number, patterns: number, failed: number, refused: number): void {
    this.rounds.push({ images, patterns, failed, refused });
  }
  publishFailed(): void {
    this.publishFailures += 1;
  }
  warmImages(warm: number, cold: number): void {
    this.warm = { warm, cold };
  }
  warmed(outcome: WarmOutcome, bytes: number): void {
    this.warmings.push({ outcome, bytes });
  }
  retentionAtRisk(project: string, images: number): void {
    this.atRisk.set(project, images);
  }
  keptAlive(): void {
    this.kept += 1;
  }
  harborReachable(registry: string, reachable: boolean): void {
    this.reachable.set(registry, reachable);
  }
  harborComponent(registry: string, component: string, healthy: boolean): void {
    this.components.set(`${registry} ${component}`, healthy);
  }
  projectQuota(registry: string, project: string, usedBytes: number, hardBytes: number | undefined): void {
    this.quotas.set(`${registry}/${project}`, { usedBytes, hardBytes });
  }
}
