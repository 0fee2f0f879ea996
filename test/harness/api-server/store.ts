/** Objects, one revision counter for all of them, the history that watches resume from, and who watches what. */

import { randomUUID } from 'node:crypto';
import { type ApiObject, type ResourceName, resources } from './resources.ts';
import type { Selection } from './selectors.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

interface Change {
  readonly revision: number;
  readonly resource: ResourceName;
  /** `undefined`: it was deleted. */
  readonly object: ApiObject | undefined;
  readonly previous: ApiObject | undefined;
  /** Made once, whatever the number of watchers. */
  readonly lines: Partial<Record<EventType, string>>;
}

interface Watcher {
  readonly selection: Selection;
  readonly onLine: (line: string, revision: number) => void;
}

interface Watchers {
  readonly byName: Map<string, Set<Watcher>>;
  readonly others: Set<Watcher>;
}

/** A watch can go back this far; a real server's window is of about this order. */
const mostChanges = 10_000;

export class Store {
  #revision = 1;
  #oldest = 1;
  #history: Change[] = [];
  readonly #objects = new Map<ResourceName, Map<string, ApiObject>>();
  readonly #watchers = new Map<ResourceName, Watchers>();

  get revision(): number {
    return this.#revision;
  }

  /** A watch from a lower revision is expired. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Stored objects are shared and never changed: clone before changing one. */
  get(resource: ResourceName, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#objects.get(resource)?.get(toKey(namespace, name));
  }

  /** In the order of their names, as they were at a revision that is not older than `oldest`; default: as they are. */
  list(resource: ResourceName, selection: Selection, revision = this.#revision): ApiObject[] {
    if (
      revision === this.#revision &&
      selection.name !== undefined &&
      (selection.namespace !== undefined || !resources[resource].namespaced)
    ) {
      const one = this.get(resource, selection.namespace, selection.name);
      return one !== undefined && selection.matches(one) ? [one] : [];
    }
    return [...this.#objectsAt(resource, revision)]
      .filter(([, object]) => isSelected(selection, object))
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([, object]) => object);
  }

  #objectsAt(resource: ResourceName, revision: number): Map<string, ApiObject> {
    const objects = new Map(this.#objects.get(resource));
    for (const change of this.#history.toReversed()) {
      if (change.revision <= revision) break;
      const { namespace, name = '' } = (change.object ?? change.previous)?.metadata ?? {};
      if (change.resource !== resource) continue;
      if (change.previous === undefined) objects.delete(toKey(namespace, name));
      else objects.set(toKey(namespace, name), change.previous);
    }
    return objects;
  }

  /** Creates or replaces; `metadata.resourceVersion`, and for a new object uid and creation time, are given here. */
  write(resource: ResourceName, object: ApiObject): ApiObject {
    const { namespace, name } = object.metadata;
    const objects = this.#objects.get(resource) ?? new Map<string, ApiObject>();
    this.#objects.set(resource, objects);
    const previous = objects.get(toKey(namespace, name));
    this.#revision += 1;
    const stored: ApiObject = {
      ...object,
      metadata: {
        uid: randomUUID(),
        creationTimestamp: `${new Date().toISOString().slice(0, 19)}Z`,
        ...object.metadata,
        resourceVersion: String(this.#revision),
      },
    };
    objects.set(toKey(namespace, name), stored);
    this.#publish({ revision: this.#revision, resource, object: stored, previous, lines: {} });
    return stored;
  }

  remove(resource: ResourceName, namespace: string | undefined, name: string): ApiObject | undefined {
    const previous = this.get(resource, namespace, name);
    if (previous === undefined) return undefined;
    this.#objects.get(resource)?.delete(toKey(namespace, name));
    this.#revision += 1;
    this.#publish({ revision: this.#revision, resource, object: undefined, previous, lines: {} });
    return previous;
  }

  /** Forgets the history: every revision before now is expired for watches that begin later. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#revision;
  }

  /** Calls back with what came after `from`, at once and in order, and from then on with what comes. @returns ends it */
  watch(resource: ResourceName, watcher: Watcher, from: number): () => void {
    for (const change of this.#history) {
      if (change.resource === resource && change.revision > from) tell(watcher, change);
    }
    // A revision of the future (etcd was restored): silence until the counter has passed it.
    const patient: Watcher = {
      selection: watcher.selection,
      onLine: (line, revision) => (revision > from ? watcher.onLine(line, revision) : undefined),
    };
    const watchers: Watchers = this.#watchers.get(resource) ?? {
      byName: new Map<string, Set<Watcher>>(),
      others: new Set<Watcher>(),
    };
    this.#watchers.set(resource, watchers);
    const { name } = watcher.selection;
    if (name === undefined) {
      watchers.others.add(patient);
      return () => void watchers.others.delete(patient);
    }
    const ofName = watchers.byName.get(name) ?? new Set<Watcher>();
    watchers.byName.set(name, ofName.add(patient));
    return () => {
      ofName.delete(patient);
      if (ofName.size === 0 && watchers.byName.get(name) === ofName) watchers.byName.delete(name);
    };
  }

  #publish(change: Change): void {
    this.#history.push(change);
    // Half of it at a time: moving the list by one for each change would cost more than all the rest.
    if (this.#history.length > 2 * mostChanges) {
      this.#history = this.#history.slice(-mostChanges);
      this.#oldest = (this.#history[0]?.revision ?? this.#revision) - 1;
    }
    const watchers = this.#watchers.get(change.resource);
    if (watchers === undefined) return;
    const name = (change.object ?? change.previous)?.metadata.name ?? '';
    for (const watcher of watchers.byName.get(name) ?? []) tell(watcher, change);
    for (const watcher of watchers.others) tell(watcher, change);
  }
}

/** One line of a watch. */
export function toLine(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function isSelected({ namespace, matches }: Selection, object: ApiObject): boolean {
  return (namespace === undefined || object.metadata.namespace === namespace) && matches(object);
}

function tell({ selection, onLine }: Watcher, change: Change): void {
  const type = toEventType(selection, change);
  if (type === undefined) return;
  onLine((change.lines[type] ??= toLine(type, toEventObject(type, change))), change.revision);
}

function toEventType(selection: Selection, { object, previous }: Change): EventType | undefined {
  const is = object !== undefined && isSelected(selection, object);
  const was = previous !== undefined && isSelected(selection, previous);
  if (is) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}

/** What has left the selection is shown as it last was in it, with the revision at which it left. */
function toEventObject(type: EventType, { object, previous, revision }: Change): ApiObject | undefined {
  if (type !== 'DELETED' || previous === undefined) return object;
  return { ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } };
}

function toKey(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}
