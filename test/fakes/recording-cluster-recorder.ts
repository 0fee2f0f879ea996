import type { GateReleaseReason } from '../../agent/core/gate.ts';
import type { HoldReason } from '../../agent/core/node-holds.ts';
import type { ClusterRecorder } from '../../agent/work/cluster-recorder.ts';

/** Keeps what was reported of the cluster, for tests. */
export class RecordingClusterRecorder implements ClusterRecorder {
  readonly requests: { readonly verb: string; readonly resource: string; readonly code: string }[] = [];
  readonly watchRestarts: string[] = [];
  readonly clusterUps: boolean[] = [];
  contactAt: number | undefined;
  teamsRefused = 0;
  policyInForce: boolean | undefined;
  holds: { readonly pull: HoldReason | undefined; readonly prune: HoldReason | undefined } = {
    pull: undefined,
    prune: undefined,
  };
  slotHeld = false;
  readonly slotWaits: number[] = [];
  slotFailedOpen = 0;
  isGateHeld = false;
  readonly gateReleases: { readonly reason: GateReleaseReason; readonly heldSeconds: number }[] = [];
  eventsDropped = 0;

  clusterRequest(verb: string, resource: string, code: string): void {
    this.requests.push({ verb, resource, code });
  }
  clusterWatchRestarted(resource: string): void {
    this.watchRestarts.push(resource);
  }
  clusterUp(up: boolean): void {
    this.clusterUps.push(up);
  }
  clusterContact(at: number): void {
    this.contactAt = at;
  }
  teamConfigMapsRefused(count: number): void {
    this.teamsRefused = count;
  }
  admissionPolicyInForce(inForce: boolean | undefined): void {
    this.policyInForce = inForce;
  }
  nodeHolds(pull: HoldReason | undefined, prune: HoldReason | undefined): void {
    this.holds = { pull, prune };
  }
  pullSlotHeld(held: boolean): void {
    this.slotHeld = held;
  }
  pullSlotAcquired(waitedSeconds: number): void {
    this.slotWaits.push(waitedSeconds);
  }
  pullSlotFailedOpen(): void {
    this.slotFailedOpen += 1;
  }
  gateHeld(held: boolean): void {
    this.isGateHeld = held;
  }
  gateReleased(reason: GateReleaseReason, heldSeconds: number): void {
    this.gateReleases.push({ reason, heldSeconds });
  }
  nodeEventDropped(): void {
    this.eventsDropped += 1;
  }
}
