/** From image sets, node labels and what was resolved to the images that this node should hold. */

import type { CredentialSource, ImageSet } from './configuration.ts';
import {
  type DesiredResolution,
  type ResolutionView,
  toDesiredResolution,
  toMembers,
  toPullReference,
} from './desired-resolution.ts';
import { parseReference, storedName } from './image-reference.ts';
import { type Labels, unmetRequirement } from './label-selector.ts';
import type { UnselectedSet } from './pull-plan.ts';
import { checksContent, type RepositoryPattern } from './repository-pattern.ts';
import type { ResolvedFailure } from './resolution.ts';
import type { Window } from './window.ts';

export type { DesiredResolution, ResolutionView } from './desired-resolution.ts';

export interface DesiredImage {
  /** As `storedName` writes it: one entry however many sets ask for it. */
  readonly reference: string;
  /** What the runtime pulls; where it is another name it gets `reference` as a further one. */
  readonly pullReference: string;
  /** Rules on its content have to pass a digest first, and none is known that did: it is not pulled. */
  readonly awaitsDigest?: true;
  /** The selected sets that ask for it, in the configuration's order. */
  readonly imageSets: readonly string[];
  /** The highest of its sets. */
  readonly priority: number;
  readonly gate: boolean;
  /**
   * The shortest `refreshEvery` of its sets with `pullPolicy: Always`, and of those that have it by a pattern; undefined: no set asks for
   * that.
   */
  readonly refreshEveryMs: number | undefined;
  /** Pulled while any of them is open; undefined: at any time, as at least one set has no window. */
  readonly windows: readonly Window[] | undefined;
  /** The sets' own credentials, to be tried before the common ones. */
  readonly credentials: readonly CredentialSource[];
  /** Undefined: nothing was published of it. */
  readonly resolved: DesiredResolution | undefined;
  /** A coordinator resolves it, so that what is published of it is worth waiting for. */
  readonly isResolvable: boolean;
}

export interface Desired {
  readonly images: readonly DesiredImage[];
  readonly selected: readonly ImageSet[];
  readonly unselected: readonly UnselectedSet[];
  /** By the selected set's name: the references that it asks for, members of its patterns included, without doubles. */
  readonly references: ReadonlyMap<string, readonly string[]>;
  /** Patterns of selected sets that nobody has resolved yet: whatever matches one may be desired. */
  readonly unresolved: readonly UnresolvedPattern[];
}

export interface UnresolvedPattern {
  readonly imageSet: string;
  readonly pattern: RepositoryPattern;
  /** Of the last attempt; undefined: there was none yet. */
  readonly failure: ResolvedFailure | undefined;
}

export const nothingDesired: Desired = {
  images: [],
  selected: [],
  unselected: [],
  references: new Map(),
  unresolved: [],
};

/** A set that asks for an image. */
interface Asking {
  readonly set: ImageSet;
  /** A pattern of it does: what that names now is wanted, not what it named once. */
  readonly isMember: boolean;
  /** Only by patterns with rules on what the tag names, which hold for the digest that they were checked on. */
  readonly isChecked: boolean;
}

/** Without `view` nothing is resolved. */
export function toDesired(imageSets: readonly ImageSet[], labels: Labels, view?: ResolutionView): Desired {
  const selected: ImageSet[] = [];
  const unselected: UnselectedSet[] = [];
  for (const set of imageSets) {
    const unmet = unmetRequirement(set.nodeSelector, labels);
    if (unmet === undefined) selected.push(set);
    else unselected.push({ imageSet: set.name, message: unmet });
  }
  const asking = new Map<string, Asking[]>();
  const references = new Map<string, readonly string[]>();
  const unresolved: UnresolvedPattern[] = [];
  for (const set of selected) {
    const named = referencesOf(set);
    const unchecked = new Set(named);
    const ofPatterns = new Set<string>();
    for (const pattern of set.patterns) {
      const { members, failure } = toMembers(pattern, view?.resolutions);
      if (members === undefined) unresolved.push({ imageSet: set.name, pattern, failure });
      for (const reference of members ?? []) {
        ofPatterns.add(reference);
        if (!checksContent(pattern)) unchecked.add(reference);
      }
    }
    const all = [...new Set([...named, ...ofPatterns])];
    references.set(set.name, all);
    for (const reference of all) {
      const sets = asking.get(reference);
      const entry = { set, isMember: ofPatterns.has(reference), isChecked: !unchecked.has(reference) };
      if (sets === undefined) asking.set(reference, [entry]);
      else sets.push(entry);
    }
  }
  return {
    images: [...asking].map(([reference, sets]) => merge(reference, sets, view)),
    selected,
    unselected,
    references,
    unresolved,
  };
}

/** The references that a set names itself, as `storedName` writes them, without doubles. */
export function referencesOf(set: ImageSet): string[] {
  return [...new Set(set.images.map((image) => storedName(parseReference(image))))];
}

function merge(reference: string, asking: readonly Asking[], view: ResolutionView | undefined): DesiredImage {
  const sets = asking.map(({ set }) => set);
  const parsed = parseReference(reference);
  // A digest cannot move.
  const refreshed = parsed.digest === undefined ? asking : [];
  const always = refreshed
    .filter(({ set, isMember }) => isMember || set.pullPolicy === 'Always')
    .map(({ set }) => set.refreshEveryMs);
  const windows = sets.flatMap((set) => (set.window === undefined ? [] : [set.window]));
  const resolved = view === undefined ? undefined : toDesiredResolution(reference, view);
  const checked = asking.filter(({ isChecked }) => isChecked);
  const pullReference = toPullReference(reference, resolved, view, checked.length > 0);
  return {
    reference,
    pullReference: pullReference ?? reference,
    ...(pullReference === undefined && checked.length === asking.length ? { awaitsDigest: true } : {}),
    imageSets: sets.map((set) => set.name),
    priority: Math.max(...sets.map((set) => set.priority)),
    gate: sets.some((set) => set.gate),
    refreshEveryMs: always.length === 0 ? undefined : Math.min(...always),
    windows: windows.length < sets.length ? undefined : windows,
    credentials: sets.flatMap((set) => set.credentials),
    resolved,
    isResolvable: view !== undefined && (always.length > 0 || view.harborHosts.has(parsed.registry)),
  };
}
