/** The plan as JSON for scripts, the control socket and the HTTP API; its schema is plan.schema.json beside this file. */

import type { Configuration } from './configuration.ts';
import type { FailureCode, FailureDetail } from './failure.ts';
import type { Labels } from './label-selector.ts';
import type { NodeHold } from './node-holds.ts';
import {
  type PlanFailure,
  type PlanPattern,
  type PlanResolution,
  type PlanResolutionInput,
  type PlanResolved,
  toPlanFailure,
  toPlanPatterns,
  toPlanResolution,
  toPlanResolved,
} from './plan-resolution.ts';
import { type PlanPrune, type PlanPruneInput, toPlanPrune } from './prune-document.ts';
import type { PlannedPull, PresentImage, PullPlan, WaitReason } from './pull-plan.ts';

export interface PlanNode {
  readonly name: string;
  readonly labels: Labels;
}

export interface PlanRuntime {
  readonly kind: string;
  readonly name: string;
  readonly version: string;
  readonly imageStore: string;
  readonly snapshotter: string;
}

export interface PlanInput {
  readonly node: PlanNode;
  /** Undefined while the runtime has not answered. */
  readonly runtime: PlanRuntime | undefined;
  readonly configuration: Pick<Configuration, 'imageSets' | 'prefetch'>;
  /** What on the node itself holds pulls back; undefined: nothing. */
  readonly hold?: NodeHold | undefined;
  readonly plan: PullPlan;
  /** Undefined: nothing was resolved for this node. */
  readonly resolution?: PlanResolutionInput | undefined;
  readonly prune: PlanPruneInput;
}

/**
 * Version 1. Later versions of Stevedore add keys and never change the meaning of one. Bytes are numbers, times RFC 3339 in
 * UTC. Lists are always there; a key whose value is not known is absent, never null.
 */
export interface PlanDocument {
  readonly version: 1;
  readonly generatedAt: string;
  readonly node: PlanNode;
  readonly runtime?: PlanRuntime;
  /** Off switches: with either, `pulls` is what would be pulled. */
  readonly prefetch: {
    readonly enabled: boolean;
    readonly dryRun: boolean;
    /** What on the node itself holds pulls back; absent: nothing. */
    readonly hold?: NodeHold;
  };
  /** Absent where no registry is a Harbor and no tag is asked after, or nobody has resolved anything yet. */
  readonly resolution?: PlanResolution;
  readonly imageSets: readonly PlanImageSet[];
  readonly pulls: readonly PlanPull[];
  readonly waiting: readonly PlanWait[];
  readonly present: readonly PlanPresent[];
  readonly refused: readonly PlanRefusal[];
  readonly totals: PlanTotals;
  /** Absent where no prune plan could be made. */
  readonly prune?: PlanPrune;
}

/** Every configured set; one that is not selected says why and desires nothing. */
export interface PlanImageSet {
  readonly name: string;
  /** In a cluster the ConfigMap that has it. */
  readonly source?: string;
  readonly selected: boolean;
  readonly message?: string;
  readonly priority: number;
  readonly gate: boolean;
  readonly desired: number;
  readonly present: number;
  /** Its entries that name repositories; absent where it has none. */
  readonly patterns?: readonly PlanPattern[];
}

export type PlanPull = Pick<PlannedPull, 'reference' | 'imageSets' | 'priority' | 'gate' | 'reason' | 'state'> & {
  readonly digest?: string;
  /** Compressed bytes to download; absent where the registry did not say. */
  readonly downloadBytes?: number;
  /** Estimated bytes on disk once unpacked. */
  readonly unpackedBytes?: number;
  readonly resolved?: PlanResolved;
};

export type PlanPresent = Pick<PresentImage, 'reference' | 'imageSets' | 'imageId' | 'sizeBytes'> & {
  /** Its registry does not give out what its name stands for now. */
  readonly refusal?: PlanFailure;
  readonly resolved?: PlanResolved;
};

export interface PlanWait {
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly reason: WaitReason;
  readonly message: string;
  /** Absent where a change, not a time, ends the wait. */
  readonly until?: string;
  readonly failure?: FailureCode;
  readonly resolved?: PlanResolved;
}

export interface PlanRefusal {
  readonly reference: string;
  readonly imageSets: readonly string[];
  readonly code: FailureCode;
  readonly detail: FailureDetail;
  readonly message: string;
  readonly resolved?: PlanResolved;
}

export interface PlanTotals {
  /** Each image once, however many sets ask for it: pulls + waiting + present + refused. */
  readonly desired: number;
  readonly pulls: number;
  readonly waiting: number;
  readonly present: number;
  readonly refused: number;
  /** Sums over `pulls` where known. */
  readonly downloadBytes: number;
  readonly unpackedBytes: number;
  /** How many of `pulls` have no known size and so are missing in the sums. */
  readonly unknownSizes: number;
}

export function toPlanDocument(input: PlanInput): PlanDocument {
  const { node, runtime, configuration, hold, plan, resolution, prune } = input;
  const { enabled, dryRun } = configuration.prefetch;
  const published = toPlanResolved(resolution);
  const resolvedOf = (reference: string) => withoutUndefined({ resolved: published.get(reference) });
  return {
    version: 1,
    generatedAt: toTimestamp(plan.at),
    node: { name: node.name, labels: { ...node.labels } },
    ...(runtime === undefined ? {} : { runtime: toRuntime(runtime) }),
    prefetch: { enabled, dryRun, ...withoutUndefined({ hold }) },
    ...(resolution === undefined ? {} : { resolution: toPlanResolution(resolution) }),
    imageSets: toImageSets(input),
    pulls: plan.pulls.map(({ reference, imageSets, priority, gate, reason, state, ...known }) => ({
      reference,
      imageSets,
      priority,
      gate,
      reason,
      state,
      ...withoutUndefined({
        digest: known.digest,
        downloadBytes: known.downloadBytes,
        unpackedBytes: known.unpackedBytes,
      }),
      ...resolvedOf(reference),
    })),
    waiting: plan.waiting.map(({ reference, imageSets, reason, message, until, failure }) => ({
      reference,
      imageSets,
      reason,
      message,
      ...withoutUndefined({ until: until === undefined ? undefined : toTimestamp(until), failure }),
      ...resolvedOf(reference),
    })),
    present: plan.present.map(({ reference, imageSets, imageId, sizeBytes, refusal }) => ({
      reference,
      imageSets,
      imageId,
      sizeBytes,
      ...(refusal === undefined ? {} : { refusal: toPlanFailure(refusal) }),
      ...resolvedOf(reference),
    })),
    refused: plan.refused.map(({ reference, imageSets, code, detail, message }) => ({
      reference,
      imageSets,
      code,
      detail,
      message,
      ...resolvedOf(reference),
    })),
    totals: toTotals(plan),
    ...withoutUndefined({ prune: toPlanPrune(prune) }),
  };
}

function toRuntime({ kind, name, version, imageStore, snapshotter }: PlanRuntime): PlanRuntime {
  return { kind, name, version, imageStore, snapshotter };
}

function toImageSets({ configuration, plan, resolution }: PlanInput): readonly PlanImageSet[] {
  const unselected = new Map(plan.unselected.map(({ imageSet, message }) => [imageSet, message]));
  const present = countBySet(plan.present);
  const missing = countBySet([...plan.pulls, ...plan.waiting, ...plan.refused]);
  return configuration.imageSets.map((set) => {
    const { name, source, priority, gate } = set;
    const message = unselected.get(name);
    const here = present.get(name) ?? 0;
    return {
      name,
      ...withoutUndefined({ source }),
      selected: message === undefined,
      ...withoutUndefined({ message }),
      priority,
      gate,
      desired: here + (missing.get(name) ?? 0),
      present: here,
      ...(set.patterns.length === 0 ? {} : { patterns: toPlanPatterns(set, resolution) }),
    };
  });
}

function toTotals({ pulls, waiting, present, refused }: PullPlan): PlanTotals {
  return {
    desired: pulls.length + waiting.length + present.length + refused.length,
    pulls: pulls.length,
    waiting: waiting.length,
    present: present.length,
    refused: refused.length,
    downloadBytes: pulls.reduce((sum, pull) => sum + (pull.downloadBytes ?? 0), 0),
    unpackedBytes: pulls.reduce((sum, pull) => sum + (pull.unpackedBytes ?? 0), 0),
    unknownSizes: pulls.filter((pull) => pull.downloadBytes === undefined).length,
  };
}

function countBySet(images: readonly { readonly imageSets: readonly string[] }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { imageSets } of images) for (const name of imageSets) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function toTimestamp(at: number): string {
  return new Date(at).toISOString();
}

/** Leaves unknown keys out, so that the document is the same before and after it was JSON. */
function withoutUndefined<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const known: Partial<Record<string, unknown>> = {};
  for (const [key, entry] of Object.entries(value)) if (entry !== undefined) known[key] = entry;
  return known as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
