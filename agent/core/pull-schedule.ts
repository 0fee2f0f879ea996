import type { DesiredImage } from './desired-images.ts';
import type { ManifestSummary } from './manifest.ts';
import type { PresentLayers } from './node-images.ts';
import { blobsOf, missingBytes, orderPulls } from './pull-order.ts';
import type { PlannedPull, PullReason, WaitingPull } from './pull-plan.ts';
import type { PullWorld } from './pull-planner.ts';
import { wouldCross } from './watermark.ts';

/** A desired image that is to be pulled now, or is being pulled. */
export interface Candidate extends DesiredImage {
  readonly reason: PullReason;
  readonly manifest: ManifestSummary | undefined;
}

export interface Schedule {
  /** In the order in which they are started. */
  readonly pulls: readonly PlannedPull[];
  /** What the disk has no room for, and what waits for a slot. */
  readonly waiting: readonly WaitingPull[];
  /** Bytes that must be free below the high watermark for what waits and for all before it; 0: nothing waits, or nothing helps. */
  readonly roomBytes: number;
}

/** Orders the candidates, gives out the free places, and lets those wait that the disk has no room for. `held`: none starts yet. */
export function schedulePulls(
  running: readonly Candidate[],
  candidates: readonly Candidate[],
  held: boolean,
  world: PullWorld,
): Schedule {
  const waiting: WaitingPull[] = [];
  const inFlight = [...world.inFlight.values()];
  const inFlightManifests = inFlight.flatMap(({ manifest }) => (manifest === undefined ? [] : [manifest]));
  const pulls: PlannedPull[] = running.map((pull) => toPlannedPull(pull, 'running', world.layers, new Set()));
  const counted = new Set(inFlightManifests.flatMap(blobsOf));
  /** Images that a running or earlier pull brings: another name of the same one follows for nearly nothing. */
  const underway = new Set(inFlightManifests.map(({ imageId }) => imageId));
  let places = held ? 0 : world.policy.concurrency - world.inFlight.size;
  let neededBytes = 0;
  let roomBytes = 0;
  for (const { manifest, downloadedBytes } of inFlight) {
    if (manifest === undefined) continue;
    const missing = missingBytes(manifest, world.layers);
    neededBytes += Math.max(0, missing.downloadBytes - downloadedBytes) + missing.unpackedBytes;
  }
  const count = ({ manifest }: Candidate): void => {
    if (manifest === undefined) return;
    underway.add(manifest.imageId);
    for (const digest of blobsOf(manifest)) counted.add(digest);
  };
  for (const pull of orderPulls(candidates, world.layers, inFlightManifests)) {
    const planned = toPlannedPull(pull, 'queued', world.layers, counted);
    const need = (planned.downloadBytes ?? 0) + (planned.unpackedBytes ?? 0);
    const crosses = (reclaimableBytes: number): boolean =>
      world.filesystem !== undefined &&
      wouldCross(world.filesystem, world.policy.highWatermark, neededBytes + need - reclaimableBytes);
    if (crosses(0)) {
      const canMakeRoom = !crosses(world.reclaimableBytes);
      waiting.push(toDiskWait(pull, need, canMakeRoom));
      if (!canMakeRoom) continue;
      // It keeps its place: what is less important must not take the room that is made for it.
      neededBytes += need;
      roomBytes = Math.max(1, neededBytes);
      // What it brings, another name of it or an image on the same base need not bring again.
      count(pull);
      continue;
    }
    const slotWait = toSlotWait(pull, world);
    if (slotWait !== undefined) {
      waiting.push(slotWait);
      continue;
    }
    neededBytes += need;
    const twin = pull.manifest !== undefined && underway.has(pull.manifest.imageId);
    if (places > 0 && !twin) {
      places -= 1;
      pulls.push({ ...planned, state: 'next' });
    } else {
      pulls.push(planned);
    }
    count(pull);
  }
  return { pulls, waiting, roomBytes };
}

function toPlannedPull(
  pull: Candidate,
  state: PlannedPull['state'],
  present: PresentLayers,
  counted: ReadonlySet<string>,
): PlannedPull {
  const missing = pull.manifest === undefined ? undefined : missingBytes(pull.manifest, present, counted);
  return {
    reference: pull.reference,
    imageSets: pull.imageSets,
    priority: pull.priority,
    gate: pull.gate,
    reason: pull.reason,
    state,
    digest: pull.manifest?.digest,
    downloadBytes: missing?.downloadBytes,
    unpackedBytes: missing?.unpackedBytes,
  };
}

function toSlotWait({ reference, imageSets, gate }: Candidate, { policy, now }: PullWorld): WaitingPull | undefined {
  const { slot, gatedGoAt } = policy;
  if (slot === 'free' || (gate && gatedGoAt !== undefined && gatedGoAt <= now)) return undefined;
  const ends = [slot.until, gate ? gatedGoAt : undefined].filter((at) => at !== undefined);
  const until = ends.length === 0 ? undefined : Math.min(...ends);
  return { reference, imageSets, reason: 'slot', message: slot.message, until, failure: undefined };
}

function toDiskWait(pull: Candidate, need: number, canMakeRoom: boolean): WaitingPull {
  const why = `an estimated ${need} bytes would take the image filesystem across prune.watermarks.high`;
  const hope = canMakeRoom ? 'room is made by pruning' : 'no unused image that may go would make enough room';
  return {
    reference: pull.reference,
    imageSets: pull.imageSets,
    reason: 'disk',
    message: `${why}: ${hope}`,
    until: undefined,
    failure: undefined,
  };
}
