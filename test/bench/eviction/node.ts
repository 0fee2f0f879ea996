/** One node of the simulation: its disk, who uses what, and the tiers that evict. Time and bytes only, no daemon. */

import type { EvictionOrder, EvictionRules } from './orders.ts';
import { dayMs, hourMs, type Trace, type TraceImage } from './trace.ts';
import { UseRecord } from './use-record.ts';

/** Of what an image takes on disk (blob and unpacked), the part that is downloaded: unpacked is 2.2 times compressed. */
export const downloadShare = 1 / 3.2;

export interface Outcome {
  /** Bytes downloaded that the node had before. */
  readonly againBytes: number;
  /** Bytes downloaded for the first time: the same under every order. */
  readonly firstBytes: number;
  /** Pod starts that had to wait for 100 MB or more that the node had before. */
  readonly delayedStarts: number;
  readonly evictions: number;
  /** Pulls that did not fit, whatever went. */
  readonly failedPulls: number;
}

const delayBytes = 100e6;

export class SimulatedNode {
  readonly trace: Trace;
  readonly diskBytes: number;
  usedBytes = 0;
  now = 0;
  readonly present = new Map<number, UseRecord>();
  readonly layerUsers: Int32Array;
  readonly #order: EvictionOrder;
  readonly #rules: EvictionRules;
  readonly #layerSeen: Uint8Array;
  /** Running pods of each image. */
  readonly #pods: Int32Array;
  readonly #replacedAt: readonly number[];
  #againBytes = 0;
  #firstBytes = 0;
  #delayedStarts = 0;
  #evictions = 0;
  #failedPulls = 0;

  constructor(trace: Trace, diskBytes: number, order: EvictionOrder) {
    this.trace = trace;
    this.diskBytes = diskBytes;
    this.#order = order;
    this.#rules = order.rules;
    this.layerUsers = new Int32Array(trace.layerBytes.length);
    this.#layerSeen = new Uint8Array(trace.layerBytes.length);
    this.#pods = new Int32Array(trace.images.length);
    this.#replacedAt = toReplacedAt(trace.images);
  }

  get outcome(): Outcome {
    return {
      againBytes: this.#againBytes * downloadShare,
      firstBytes: this.#firstBytes * downloadShare,
      delayedStarts: this.#delayedStarts,
      evictions: this.#evictions,
      failedPulls: this.#failedPulls,
    };
  }

  image(id: number): TraceImage {
    const image = this.trace.images[id];
    if (image === undefined) throw new RangeError(`no image ${id}`);
    return image;
  }

  bytesOf(layer: number): number {
    return this.trace.layerBytes[layer] ?? 0;
  }

  nominalBytes(id: number): number {
    return this.image(id).layers.reduce((sum, layer) => sum + this.bytesOf(layer), 0);
  }

  /** What comes back if the image goes now. */
  uniqueBytes(id: number): number {
    return this.image(id).layers.reduce(
      (sum, layer) => (this.layerUsers[layer] === 1 ? sum + this.bytesOf(layer) : sum),
      0,
    );
  }

  /** @returns false when the image does not fit on the disk */
  startPod(id: number, durationMs: number): boolean {
    const record = this.present.get(id) ?? this.#pull(id);
    if (record === undefined) return false;
    if (durationMs === 0) return true;
    record.use(this.now);
    this.#pods[id] = (this.#pods[id] ?? 0) + 1;
    return true;
  }

  endPod(id: number): void {
    this.#pods[id] = (this.#pods[id] ?? 0) - 1;
    this.present.get(id)?.use(this.now);
  }

  #pull(id: number): UseRecord | undefined {
    const missing = this.image(id).layers.filter((layer) => this.layerUsers[layer] === 0);
    const bytes = missing.reduce((sum, layer) => sum + this.bytesOf(layer), 0);
    if (this.usedBytes + bytes > this.diskBytes) {
      this.#evict(this.usedBytes + bytes - this.diskBytes, this.#candidates(0), id);
      // What was to be shared may have gone: once more, from the start.
      if (this.usedBytes + this.#missingBytes(id) > this.diskBytes) {
        this.#failedPulls += 1;
        return undefined;
      }
    }
    let again = 0;
    for (const layer of this.image(id).layers) {
      const users = this.layerUsers[layer] ?? 0;
      this.layerUsers[layer] = users + 1;
      if (users > 0) continue;
      this.usedBytes += this.bytesOf(layer);
      if (this.#layerSeen[layer] === 1) again += this.bytesOf(layer);
      else this.#firstBytes += this.bytesOf(layer);
      this.#layerSeen[layer] = 1;
    }
    this.#againBytes += again;
    if (again * downloadShare >= delayBytes) this.#delayedStarts += 1;
    const record = new UseRecord(id, this.now);
    this.present.set(id, record);
    return record;
  }

  #missingBytes(id: number): number {
    const { layers } = this.image(id);
    return layers.reduce((sum, layer) => (this.layerUsers[layer] === 0 ? sum + this.bytesOf(layer) : sum), 0);
  }

  #candidates(minimumAgeMs: number): UseRecord[] {
    return [...this.present.values()].filter(({ image, knownSince }) => {
      if ((this.#pods[image] ?? 0) > 0 || this.now - knownSince < minimumAgeMs) return false;
      return !this.image(image).desired || this.now >= (this.#replacedAt[image] ?? 0);
    });
  }

  /** The space tier, and above critical the one without grace. */
  checkDisk(): void {
    const { high, low, critical, graceMs, minimumAgeMs } = this.#rules;
    if (this.usedBytes <= high * this.diskBytes) return;
    const wasBytes = this.usedBytes;
    const candidates = this.#candidates(minimumAgeMs);
    const mayGo = graceMs === 0 ? candidates : candidates.filter((one) => this.now - one.lastUsedAt >= graceMs);
    this.#evict(wasBytes - low * this.diskBytes, mayGo);
    if (wasBytes <= critical * this.diskBytes || this.usedBytes <= high * this.diskBytes) return;
    const left = candidates.filter(({ image }) => this.present.has(image));
    this.#evict(this.usedBytes - high * this.diskBytes, left);
  }

  /** The age tier. */
  checkAge(unusedForMs: number): void {
    for (const record of this.#candidates(this.#rules.minimumAgeMs)) {
      if (this.now - record.lastUsedAt >= unusedForMs) this.#remove(record.image);
    }
  }

  #evict(targetBytes: number, candidates: readonly UseRecord[], except?: number): void {
    const left = candidates.filter(({ image }) => image !== except);
    if (left.length === 0) return;
    let freed = 0;
    const remove = (record: UseRecord): void => {
      const nominal = this.nominalBytes(record.image) * downloadShare;
      const unique = this.#remove(record.image);
      freed += this.#rules.countsNominal && except === undefined ? nominal : unique;
    };
    const order = this.#order;
    if (order.kind === 'sorted') {
      for (const record of order.arrange(left, this)) {
        if (freed >= targetBytes) return;
        remove(record);
      }
      return;
    }
    while (left.length > 0 && freed < targetBytes) {
      const urgencies = left.map((record) => order.urgency(record, this));
      const [record] = left.splice(urgencies.indexOf(Math.max(...urgencies)), 1);
      if (record !== undefined) remove(record);
    }
  }

  #remove(id: number): number {
    let freed = 0;
    for (const layer of this.image(id).layers) {
      const users = (this.layerUsers[layer] ?? 0) - 1;
      this.layerUsers[layer] = users;
      if (users === 0) freed += this.bytesOf(layer);
    }
    this.present.delete(id);
    this.usedBytes -= freed;
    this.#evictions += 1;
    return freed;
  }
}

/** When the next newer image of the same repository was built. */
export function toReplacedAt(images: readonly TraceImage[]): number[] {
  const nextOf = new Map<number, number>();
  const replacedAt: number[] = [];
  for (const { id, repository, builtAt } of images.toSorted((a, b) => b.builtAt - a.builtAt || b.id - a.id)) {
    replacedAt[id] = nextOf.get(repository) ?? Number.POSITIVE_INFINITY;
    nextOf.set(repository, builtAt);
  }
  return replacedAt;
}

export interface NodeOptions {
  readonly diskBytes: number;
  /** The age tier's option; undefined: off. */
  readonly unusedForMs?: number;
}

/** Replays the trace on an empty node. The disk is looked at after each start and end, and each hour. */
export function replay(trace: Trace, order: EvictionOrder, { diskBytes, unusedForMs }: NodeOptions): Outcome {
  const node = new SimulatedNode(trace, diskBytes, order);
  const ends = trace.starts.map(({ at, durationMs }, index) => ({ at: at + durationMs, index }));
  ends.sort((a, b) => a.at - b.at);
  const runs = new Uint8Array(trace.starts.length);
  let nextEnd = 0;
  let nextHour = hourMs;
  const advanceTo = (until: number): void => {
    for (;;) {
      const end = ends[nextEnd];
      if (end !== undefined && end.at <= until && end.at <= nextHour) {
        nextEnd += 1;
        const start = trace.starts[end.index];
        if (start === undefined || runs[end.index] === 0) continue;
        node.now = end.at;
        node.endPod(start.image);
      } else if (nextHour <= until) {
        node.now = nextHour;
        if (unusedForMs !== undefined && nextHour % dayMs === 2 * hourMs) node.checkAge(unusedForMs);
        nextHour += hourMs;
      } else return;
      node.checkDisk();
    }
  };
  for (const [index, { at, image, durationMs }] of trace.starts.entries()) {
    advanceTo(at);
    node.now = at;
    if (node.startPod(image, durationMs) && durationMs > 0) runs[index] = 1;
    node.checkDisk();
  }
  return node.outcome;
}
