/** What is watched: the own Node, and the ConfigMaps of the own namespace. */

import { isDeepStrictEqual } from 'node:util';
import type { NodeState } from '../core/node-state.ts';
import { isResolvedConfigMap } from '../core/resolved-config-maps.ts';
import { configurationKey, teamLabel } from '../core/team-image-sets.ts';
import type { ClusterHandlers, ConfigMapObject, ResolvedConfigMap } from './cluster.ts';
import { isSameNode, toConfigMap, toName, toNodeState, toResolved } from './objects.ts';
import type { ResolvedMetadata } from './resolved-metadata.ts';
import type { WatchTarget } from './watch-loop.ts';

/** Its heartbeats are ours; those of all other conditions say nothing. */
const ownCondition = 'ImageSetsReady';

/** Of up to 1 MiB each, and half as much again as JSON. */
export const configMapsPage = 20;

export function createNodeTarget(
  nodeName: string,
  handlers: ClusterHandlers,
  onContact: WatchTarget['onContact'],
): WatchTarget {
  let told: { readonly node: NodeState | undefined } | undefined;
  const tell = (node: NodeState | undefined): void => {
    if (told !== undefined && isSameNode(told.node, node, ownCondition)) return;
    told = { node };
    handlers.onNode(node);
  };
  const isOurs = (object: unknown): boolean => toName(object) === nodeName;
  return {
    resource: 'nodes',
    path: '/api/v1/nodes',
    query: { fieldSelector: `metadata.name=${nodeName}` },
    pageSize: undefined,
    concerns: isOurs,
    onList: ([own]) => {
      // What changed and changed back unseen is no change here, but may be for who wrote it.
      told = undefined;
      tell(own === undefined ? undefined : toNodeState(own));
    },
    onPut: (object) => {
      if (isOurs(object)) tell(toNodeState(object));
    },
    onDelete: (object) => {
      if (isOurs(object)) tell(undefined);
    },
    onContact,
  };
}

/**
 * Those that hold configuration, and those that hold what was resolved, on one watch. Whoever may write the second must not be able to make one
 * of the first of it by a label: it is one or the other by its name alone.
 */
export function createConfigMapsTarget(
  place: { readonly path: string; readonly configMap: string; readonly metadata: ResolvedMetadata },
  handlers: ClusterHandlers,
  onContact: WatchTarget['onContact'],
): WatchTarget {
  const configMaps = createTold<ConfigMapObject>(handlers.onConfigMaps);
  const { onResolved } = handlers;
  const resolved = onResolved === undefined ? undefined : createTold<ResolvedConfigMap>(onResolved);
  const concerns = (object: unknown): boolean => concernsConfiguration(object, place.configMap);
  const toNotedResolved = (object: unknown): ResolvedConfigMap => {
    place.metadata.note(object);
    return toResolved(object);
  };
  return {
    resource: 'configmaps',
    path: place.path,
    query: {},
    pageSize: configMapsPage,
    concerns: (object) => (isResolved(object) ? resolved !== undefined : concerns(object)),
    onList: (items) => {
      configMaps.all(items.filter(concerns).map((object) => toConfigMap(object, configurationKey)));
      resolved?.all(items.filter(isResolved).map(toNotedResolved));
    },
    onPut: (object) => {
      if (isResolved(object)) resolved?.put(toNotedResolved(object));
      else if (concerns(object)) configMaps.put(toConfigMap(object, configurationKey));
      else configMaps.delete(toName(object));
    },
    onDelete: (object) => {
      if (isResolved(object)) resolved?.delete(toName(object));
      else configMaps.delete(toName(object));
    },
    onContact,
  };
}

export function isResolved(object: unknown): boolean {
  return isResolvedConfigMap(toName(object));
}

/** @param configMap the name of the agent's own */
export function concernsConfiguration(object: unknown, configMap: string): boolean {
  if (isResolved(object)) return false;
  const { name, labels } = toConfigMap(object, configurationKey);
  return name === configMap || labels[teamLabel.key] === teamLabel.value;
}

/** Tells all of them by name, when one of them is another than before. */
function createTold<T extends { readonly name: string }>(onChange: (all: readonly T[]) => void) {
  let told: readonly T[] | undefined;
  const all = (items: readonly T[]): void => {
    const sorted = items.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    if (isDeepStrictEqual(told, sorted)) return;
    told = sorted;
    onChange(sorted);
  };
  const without = (gone: string): readonly T[] => (told ?? []).filter(({ name }) => name !== gone);
  return {
    all,
    put: (one: T): void => all([...without(one.name), one]),
    delete: (name: string): void => all(without(name)),
  };
}
