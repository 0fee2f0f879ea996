/** From image sets and node labels to the images that this node should hold. */

import type { CredentialSource, ImageSet } from './configuration.ts';
import { parseReference, storedName } from './image-reference.ts';
import { type Labels, unmetRequirement } from './label-selector.ts';
import type { UnselectedSet } from './pull-plan.ts';
import type { Window } from './window.ts';

export interface DesiredImage {
  /** As `storedName` writes it: one entry however many sets ask for it. */
  readonly reference: string;
  /** The selected sets that ask for it, in the configuration's order. */
  readonly imageSets: readonly string[];
  /** The highest of its sets. */
  readonly priority: number;
  readonly gate: boolean;
  /** The shortest `refreshEvery` of its sets with `pullPolicy: Always`; undefined: no set asks for that. */
  readonly refreshEveryMs: number | undefined;
  /** Pulled while any of them is open; undefined: at any time, as at least one set has no window. */
  readonly windows: readonly Window[] | undefined;
  /** The sets' own credentials, to be tried before the common ones. */
  readonly credentials: readonly CredentialSource[];
}

export interface Desired {
  readonly images: readonly DesiredImage[];
  readonly selected: readonly ImageSet[];
  readonly unselected: readonly UnselectedSet[];
}

export function toDesired(imageSets: readonly ImageSet[], labels: Labels): Desired {
  const selected: ImageSet[] = [];
  const unselected: UnselectedSet[] = [];
  for (const set of imageSets) {
    const unmet = unmetRequirement(set.nodeSelector, labels);
    if (unmet === undefined) selected.push(set);
    else unselected.push({ imageSet: set.name, message: unmet });
  }
  const asking = new Map<string, ImageSet[]>();
  for (const set of selected) {
    for (const image of set.images) {
      const reference = storedName(parseReference(image));
      const sets = asking.get(reference);
      if (sets === undefined) asking.set(reference, [set]);
      else if (!sets.includes(set)) sets.push(set);
    }
  }
  return { images: [...asking].map(([reference, sets]) => merge(reference, sets)), selected, unselected };
}

/** The references of one set, as `storedName` writes them, without doubles. */
export function referencesOf(set: ImageSet): string[] {
  return [...new Set(set.images.map((image) => storedName(parseReference(image))))];
}

function merge(reference: string, sets: readonly ImageSet[]): DesiredImage {
  const always = sets.filter((set) => set.pullPolicy === 'Always').map((set) => set.refreshEveryMs);
  const windows = sets.flatMap((set) => (set.window === undefined ? [] : [set.window]));
  return {
    reference,
    imageSets: sets.map((set) => set.name),
    priority: Math.max(...sets.map((set) => set.priority)),
    gate: sets.some((set) => set.gate),
    // A digest cannot move.
    refreshEveryMs: always.length === 0 || reference.includes('@') ? undefined : Math.min(...always),
    windows: windows.length < sets.length ? undefined : windows,
    credentials: sets.flatMap((set) => set.credentials),
  };
}
