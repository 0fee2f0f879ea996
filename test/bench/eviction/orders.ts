/** The orders that are compared: ours by its own code, and the rivals by their rules. */

import { type EvictionImage, orderForEviction } from '../../../agent/core/prune-order.ts';
import type { SimulatedNode } from './node.ts';
import { dayMs, hourMs, minuteMs } from './trace.ts';
import type { UseRecord } from './use-record.ts';

export interface EvictionRules {
  /** Shares of the disk. */
  readonly low: number;
  readonly high: number;
  /** Above it the grace is ignored; 1: no such level. */
  readonly critical: number;
  readonly graceMs: number;
  readonly minimumAgeMs: number;
  /** Counts the image's nominal (compressed) size as freed instead of looking at the disk. */
  readonly countsNominal: boolean;
}

export type EvictionOrder = {
  readonly name: string;
  readonly rules: EvictionRules;
} & (
  | {
      readonly kind: 'sorted';
      readonly arrange: (records: readonly UseRecord[], node: SimulatedNode) => readonly UseRecord[];
    }
  /** Looks again after each removal; the most urgent goes. */
  | { readonly kind: 'rescored'; readonly urgency: Urgency }
);

/** Higher goes first. */
export type Urgency = (record: UseRecord, node: SimulatedNode) => number;

/** The defaults of `prune`. */
export const ourRules: EvictionRules = {
  low: 0.65,
  high: 0.75,
  critical: 0.82,
  graceMs: dayMs,
  minimumAgeMs: hourMs,
  countsNominal: false,
};

const kubeletRules: EvictionRules = {
  low: 0.8,
  high: 0.85,
  critical: 1,
  graceMs: 0,
  minimumAgeMs: 2 * minuteMs,
  countsNominal: true,
};

const docuumRules: EvictionRules = {
  ...ourRules,
  low: ourRules.high,
  critical: 1,
  graceMs: 0,
  minimumAgeMs: 0,
};

export const baseName = 'LRU';
export const ourName = 'Stevedore';

const unusedFor: Urgency = ({ lastUsedAt }, { now }) => now - lastUsedAt;
/** Never run is older than all that ran. */
const kubeletUrgency: Urgency = (record, node) => (record.started ? unusedFor(record, node) : Number.MAX_SAFE_INTEGER);

export const orders: readonly EvictionOrder[] = [
  byUrgency(baseName, unusedFor),
  { name: ourName, rules: ourRules, kind: 'sorted', arrange: (records, node) => arrangeOurs(records, node, true) },
  {
    name: 'Stevedore without build times',
    rules: ourRules,
    kind: 'sorted',
    arrange: (records, node) => arrangeOurs(records, node, false),
  },
  { name: 'superseded first, then LRU', rules: ourRules, kind: 'sorted', arrange: arrangeSupersededFirst },
  byUrgency('LFU, half-life 7 days', (record, { now }) => -record.decayedUses(now)),
  byUrgency('GDSF: decayed uses by size', (record, node) => {
    return -record.decayedUses(node.now) / node.nominalBytes(record.image);
  }),
  byUrgency('uses by time known', ({ days, knownSince }, { now }) => -days / (now - knownSince)),
  byUrgency('largest first', ({ image }, node) => node.nominalBytes(image)),
  byUrgency('LRU without grace', unusedFor, { ...ourRules, graceMs: 0 }),
  byUrgency("docuum's: LRU down to high", unusedFor, docuumRules),
  byUrgency("kubelet's, our watermarks", kubeletUrgency, { ...kubeletRules, low: ourRules.low, high: ourRules.high }),
  byUrgency("kubelet's, 85 % to 80 %", kubeletUrgency, kubeletRules),
  {
    name: 'Stevedore, 85 % to 80 %',
    rules: { ...ourRules, low: kubeletRules.low, high: kubeletRules.high, critical: kubeletRules.critical },
    kind: 'sorted',
    arrange: (records, node) => arrangeOurs(records, node, true),
  },
];

export function byUrgency(name: string, urgency: Urgency, rules: EvictionRules = ourRules): EvictionOrder {
  const arrange = (records: readonly UseRecord[], node: SimulatedNode): UseRecord[] =>
    records
      .map((record) => ({ record, urgency: urgency(record, node) }))
      .toSorted(
        (a, b) => b.urgency - a.urgency || a.record.knownSince - b.record.knownSince || a.record.image - b.record.image,
      )
      .map(({ record }) => record);
  return { name, rules, kind: 'sorted', arrange };
}

function arrangeOurs(records: readonly UseRecord[], node: SimulatedNode, withBuildTimes: boolean): UseRecord[] {
  const toImage = (record: UseRecord): EvictionImage & { readonly record: UseRecord } => {
    const { id, repository, builtAt } = node.image(record.image);
    return {
      id: String(id).padStart(6, '0'),
      repositories: [String(repository)],
      builtAt: withBuildTimes ? builtAt : undefined,
      unusedForMs: node.now - record.lastUsedAt,
      knownForMs: node.now - record.knownSince,
      record,
    };
  };
  const present = [...node.present.values()].map(toImage);
  return orderForEviction(records.map(toImage), present).map(({ record }) => record);
}

/** Whatever has a newer one of its repository on the node goes before all others, least recently used first among them. */
function arrangeSupersededFirst(records: readonly UseRecord[], node: SimulatedNode): UseRecord[] {
  const newest = new Map<number, number>();
  for (const id of node.present.keys()) {
    const { repository, builtAt } = node.image(id);
    newest.set(repository, Math.max(builtAt, newest.get(repository) ?? Number.NEGATIVE_INFINITY));
  }
  const isSuperseded = ({ image }: UseRecord): boolean => {
    const { repository, builtAt } = node.image(image);
    return builtAt < (newest.get(repository) ?? builtAt);
  };
  return records.toSorted(
    (a, b) => Number(isSuperseded(b)) - Number(isSuperseded(a)) || a.lastUsedAt - b.lastUsedAt || a.image - b.image,
  );
}
