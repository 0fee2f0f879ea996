/** Which of the cluster's pull slots a node may take: each is a Lease, taken while its holder pulls. Pure. */

const prefix = 'stevedore-pull-';

/** What slot names begin with. */
export const slotPrefix = prefix;

/** How long a slot that nobody renews stays taken, seconds. */
export const slotDurationSeconds = 60;

const firstWaitMs = 5_000;
/** Between two looks of a node that waits. */
export const longestSlotWaitMs = 60_000;

/**
 * Until a node that waits looks again, after so many looks: full jitter, from up to 5 s to up to a minute. The least keeps an unlucky draw from
 * asking twice in a row.
 */
export function toSlotWaitMs(looks: number, random: number): number {
  return Math.max(500, random * Math.min(longestSlotWaitMs, firstWaitMs * 2 ** Math.min(looks - 1, 10)));
}

/** Of a Lease, what the choice depends on. */
export interface SlotLease {
  readonly name: string;
  readonly resourceVersion: string;
  /** Empty: nobody holds it. */
  readonly holder: string;
  readonly durationSeconds: number;
}

/** When a record was first seen as it is now, by name; on the monotonic clock, ms. */
export type SeenLeases = ReadonlyMap<string, { readonly resourceVersion: string; readonly at: number }>;

/** Other nodes' clocks say nothing here: what counts is how long a record has not changed, as seen by this node. */
export function observeLeases(seen: SeenLeases, leases: readonly SlotLease[], now: number): SeenLeases {
  return new Map(
    leases.map(({ name, resourceVersion }) => {
      const before = seen.get(name);
      return [name, before?.resourceVersion === resourceVersion ? before : { resourceVersion, at: now }];
    }),
  );
}

/** A slot that may be taken; `lease` undefined: it was never made. */
export interface FreeSlot<Lease extends SlotLease> {
  readonly name: string;
  readonly lease: Lease | undefined;
}

/**
 * The slots that the node may take, in the order to try them: its own one first, then the free ones at random, so that nodes do not all try
 * the same.
 * @param random 0 to 1, as Math.random gives it
 */
export function chooseSlots<Lease extends SlotLease>(
  leases: readonly Lease[],
  seen: SeenLeases,
  { maxNodes, nodeName, now }: { readonly maxNodes: number; readonly nodeName: string; readonly now: number },
  random: () => number,
): FreeSlot<Lease>[] {
  const byName = new Map(leases.map((lease) => [lease.name, lease]));
  const own: FreeSlot<Lease>[] = [];
  const others: { readonly slot: FreeSlot<Lease>; readonly rank: number }[] = [];
  for (let index = 0; index < maxNodes; index += 1) {
    const name = `${prefix}${index}`;
    const slot = { name, lease: byName.get(name) };
    if (slot.lease?.holder === nodeName) own.push(slot);
    else if (isFree(slot.lease, seen, now)) others.push({ slot, rank: random() });
  }
  return [...own, ...others.toSorted((a, b) => a.rank - b.rank).map(({ slot }) => slot)];
}

/** When the first of the taken slots is free unless its holder renews it, on the clock of `now`; `Infinity`: none will be. */
export function toNextFreeAt(
  leases: readonly SlotLease[],
  seen: SeenLeases,
  { maxNodes, now }: { readonly maxNodes: number; readonly now: number },
): number {
  const taken = leases.filter(({ name, holder }) => holder !== '' && isSlotWithin(name, maxNodes));
  const freeAt = taken.map(({ name, durationSeconds }) => (seen.get(name)?.at ?? now) + durationSeconds * 1000);
  return Math.min(...freeAt.filter((at) => at > now));
}

/** False for a name that is none, or whose number `maxNodes` no longer allows. */
export function isSlotWithin(name: string, maxNodes: number): boolean {
  const index = Number(name.slice(prefix.length));
  return name.startsWith(prefix) && Number.isInteger(index) && index < maxNodes;
}

function isFree(lease: SlotLease | undefined, seen: SeenLeases, now: number): boolean {
  if (lease === undefined || lease.holder === '') return true;
  const since = seen.get(lease.name)?.at ?? now;
  return now - since >= lease.durationSeconds * 1000;
}
