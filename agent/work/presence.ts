import type { Desired } from '../core/desired-images.ts';
import type { ImageSetCounts } from './recorder.ts';

interface Readiness {
  readonly definition: string;
  readonly readyAt: number | undefined;
}

/** Which desired images were here at the last look: what is missing now without our doing was lost. */
export class Presence {
  #present: ReadonlySet<string> = new Set();
  readonly #readiness = new Map<string, Readiness>();

  /**
   * Takes the names that are whole on the node now. Returns desired references that were here before and are gone.
   */
  update(desired: Desired, present: ReadonlySet<string>): string[] {
    const lost = desired.images
      .map(({ reference }) => reference)
      .filter((reference) => this.#present.has(reference) && !present.has(reference));
    this.#present = new Set(
      desired.images.map(({ reference }) => reference).filter((reference) => present.has(reference)),
    );
    return lost;
  }

  /** Per selected set: how many images it has and how many are here; since when it is complete, for its current definition. */
  countSets(desired: Desired, now: number): ImageSetCounts[] {
    const names = new Set(desired.selected.map(({ name }) => name));
    for (const name of this.#readiness.keys()) if (!names.has(name)) this.#readiness.delete(name);
    const unresolved = new Set(desired.unresolved.map(({ imageSet }) => imageSet));
    return desired.selected.map(({ name }) =>
      this.#countSet(name, desired.references.get(name) ?? [], unresolved.has(name), now),
    );
  }

  /** A set that nobody has resolved yet asks for more than it names. */
  #countSet(imageSet: string, references: readonly string[], isUnresolved: boolean, now: number): ImageSetCounts {
    const present = references.filter((reference) => this.#present.has(reference)).length;
    const definition = [...references.toSorted(), isUnresolved].join(' ');
    const known = this.#readiness.get(imageSet);
    const earlier = known?.definition === definition ? known.readyAt : undefined;
    const isReady = !isUnresolved && present === references.length;
    const readyAt = earlier ?? (isReady ? now : undefined);
    this.#readiness.set(imageSet, { definition, readyAt });
    return { imageSet, desired: references.length, present, readyAt };
  }
}
