/** A trace: which images there are, of which layers, and which pods start on one node when and for how long. */

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

export interface TraceImage {
  /** Its number in the trace. */
  readonly id: number;
  readonly repository: number;
  /** When it was built and published. */
  readonly builtAt: number;
  /** Layer numbers, base first. */
  readonly layers: readonly number[];
  /** Wanted on the node from `builtAt` on, until a newer one of its repository is published: never evicted meanwhile. */
  readonly desired: boolean;
}

export interface PodStart {
  readonly at: number;
  readonly image: number;
  /** 0: only prefetched, nothing starts. */
  readonly durationMs: number;
}

export interface Trace {
  readonly name: string;
  readonly images: readonly TraceImage[];
  /** Bytes on disk by layer number: blob and unpacked. */
  readonly layerBytes: readonly number[];
  /** In order of time. */
  readonly starts: readonly PodStart[];
  readonly endAt: number;
}

/** Bytes of all layers that the trace ever asks for. */
export function totalBytes({ images, layerBytes, starts }: Trace): number {
  const layers = new Set(starts.flatMap(({ image }) => images[image]?.layers ?? []));
  return [...layers].reduce((sum, layer) => sum + (layerBytes[layer] ?? 0), 0);
}

/** Collects what the behaviours of workloads.ts make. */
export class TraceBuilder {
  readonly images: TraceImage[] = [];
  readonly #layerBytes: number[] = [];
  readonly #starts: PodStart[] = [];
  #repositories = 0;
  readonly endAt: number;

  constructor(endAt: number) {
    this.endAt = endAt;
  }

  addRepository(): number {
    this.#repositories += 1;
    return this.#repositories;
  }

  addLayer(bytes: number): number {
    this.#layerBytes.push(Math.round(bytes));
    return this.#layerBytes.length - 1;
  }

  addImage(repository: number, builtAt: number, layers: readonly number[], desired = false): number {
    const id = this.images.length;
    this.images.push({ id, repository, builtAt, layers, desired });
    return id;
  }

  start(at: number, image: number, durationMs: number): void {
    if (at < this.endAt) this.#starts.push({ at: Math.max(0, at), image, durationMs });
  }

  build(name: string): Trace {
    const starts = this.#starts.toSorted((a, b) => a.at - b.at);
    return { name, images: this.images, layerBytes: this.#layerBytes, starts, endAt: this.endAt };
  }
}
