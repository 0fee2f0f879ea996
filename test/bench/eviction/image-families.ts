/** How the images of the traces are built: bases that many share and that are rebuilt now and then, layers of dependencies, layers of code. */

import type { Random } from './random.ts';
import { dayMs, type TraceBuilder } from './trace.ts';

const gigabyte = 1e9;

/** A base that is rebuilt from time to time: whoever builds on it takes the generation of that moment. */
export interface Base {
  readonly generations: readonly { readonly from: number; readonly layers: readonly number[] }[];
}

interface BaseShape {
  /** Of the layers from the bottom. */
  readonly layerGigabytes: readonly number[];
  readonly rebuiltEveryMs: number;
}

/** CUDA runtime, CUDA development, pytorch with and without development files. On disk: compressed and unpacked together. */
const gpuBases: readonly BaseShape[] = [
  { layerGigabytes: [0.11, 0.4, 2.6], rebuiltEveryMs: 40 * dayMs },
  { layerGigabytes: [0.11, 0.4, 2.6, 3.4], rebuiltEveryMs: 40 * dayMs },
  { layerGigabytes: [0.11, 0.4, 3.1, 4.2], rebuiltEveryMs: 30 * dayMs },
  { layerGigabytes: [0.11, 0.4, 3.1, 3.4, 5.2], rebuiltEveryMs: 30 * dayMs },
];

/** Distribution, Java, Node, Python, Python with scientific packages, a tool box. */
const plainBases: readonly BaseShape[] = [
  { layerGigabytes: [0.11], rebuiltEveryMs: 20 * dayMs },
  { layerGigabytes: [0.11, 0.35], rebuiltEveryMs: 20 * dayMs },
  { layerGigabytes: [0.17, 0.28], rebuiltEveryMs: 14 * dayMs },
  { layerGigabytes: [0.17, 0.07, 0.15], rebuiltEveryMs: 14 * dayMs },
  { layerGigabytes: [0.17, 0.07, 0.15, 1.3], rebuiltEveryMs: 30 * dayMs },
  { layerGigabytes: [0.17, 0.9, 0.6], rebuiltEveryMs: 60 * dayMs },
];

export interface Bases {
  readonly gpu: readonly Base[];
  readonly plain: readonly Base[];
}

export function makeBases(builder: TraceBuilder, random: Random): Bases {
  const make = (shapes: readonly BaseShape[]) => shapes.map((shape) => makeBase(builder, random, shape));
  return { gpu: make(gpuBases), plain: make(plainBases) };
}

function makeBase(builder: TraceBuilder, random: Random, { layerGigabytes, rebuiltEveryMs }: BaseShape): Base {
  const build = () => layerGigabytes.map((size) => builder.addLayer(size * gigabyte * random.between(0.9, 1.1)));
  const generations = [{ from: Number.NEGATIVE_INFINITY, layers: build() }];
  for (let at = random.exponential(rebuiltEveryMs); at < builder.endAt; at += random.exponential(rebuiltEveryMs)) {
    generations.push({ from: at, layers: build() });
  }
  return { generations };
}

export function layersAt({ generations }: Base, at: number): readonly number[] {
  return generations.findLast(({ from }) => from <= at)?.layers ?? [];
}

export interface FamilyShape {
  readonly base: Base;
  /** Median sizes on disk; dependencies are installed anew in a part of the versions, code in each. */
  readonly dependencyBytes: number;
  readonly codeBytes: number;
  readonly dependencyChange: number;
  readonly desired?: boolean;
}

/** One line of versions of a repository. */
export class Family {
  readonly #builder: TraceBuilder;
  readonly #random: Random;
  readonly #shape: FamilyShape;
  readonly repository: number;
  readonly #sizes: { readonly dependency: number; readonly code: number };
  #dependency: number | undefined;
  #baseLayers: readonly number[] = [];

  constructor(builder: TraceBuilder, random: Random, shape: FamilyShape, repository = builder.addRepository()) {
    this.#builder = builder;
    this.#random = random;
    this.#shape = shape;
    this.repository = repository;
    this.#sizes = {
      dependency: random.logNormal(shape.dependencyBytes, 0.8),
      code: random.logNormal(shape.codeBytes, 0.9),
    };
  }

  publish(at: number): number {
    const random = this.#random;
    const { base, dependencyChange, desired } = this.#shape;
    const baseLayers = layersAt(base, at);
    // Layers stand on those below: on a new base everything is built anew.
    if (this.#dependency === undefined || baseLayers !== this.#baseLayers || random.chance(dependencyChange)) {
      this.#dependency = this.#builder.addLayer(this.#sizes.dependency * random.between(0.8, 1.25));
    }
    this.#baseLayers = baseLayers;
    const code = this.#builder.addLayer(this.#sizes.code * random.between(0.8, 1.25));
    return this.#builder.addImage(this.repository, at, [...baseLayers, this.#dependency, code], desired);
  }
}
