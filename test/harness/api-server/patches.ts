/** The patch types of an API server, each pure: what a stored object becomes, undecoded. */

import { isRecord } from './fields.ts';
import { badRequest, internalError, patchRejected } from './status.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** RFC 7396. Lists are replaced whole: a Node's conditions too. */
export function toMerged(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = toMerged(merged[key], value);
  }
  return merged;
}

/** Lists that a strategic patch merges, by the key that tells their items apart; all others it replaces. */
const mergeKeys: Readonly<Record<string, string>> = {
  'status.conditions': 'type',
  'status.addresses': 'type',
  'metadata.ownerReferences': 'uid',
};
/** Lists of plain values to which a strategic patch adds. */
const mergedValues = new Set(['metadata.finalizers', 'spec.podCIDRs', 'spec.finalizers']);

/** Kubernetes' strategic merge: the Go types' `patchStrategy` and `patchMergeKey`, and the directives that begin with `$`. */
export function toStrategicallyMerged(target: unknown, patch: unknown, path = ''): unknown {
  if (!isRecord(patch)) return patch;
  const { $patch: directive, ...changes } = patch;
  if (directive === 'replace') return changes;
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw unknownDirective(directive);
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(changes)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (key.startsWith('$')) applyDirective(merged, key, value);
    else if (value === null) delete merged[key];
    else if (!Array.isArray(value)) merged[key] = toStrategicallyMerged(merged[key], value, at);
    else merged[key] = toMergedList(merged[key], value, at);
  }
  return merged;
}

function applyDirective(merged: Record<string, unknown>, key: string, value: unknown): void {
  const [directive, field = ''] = key.split('/');
  if (directive === '$deleteFromPrimitiveList' && Array.isArray(value)) {
    const gone: readonly unknown[] = value;
    const found = merged[field];
    if (Array.isArray(found)) merged[field] = found.filter((item) => !gone.includes(item));
  } else if (directive === '$retainKeys' && Array.isArray(value)) {
    const kept: readonly unknown[] = value;
    for (const name of Object.keys(merged)) if (!kept.includes(name)) delete merged[name];
  } else if (directive !== '$setElementOrder') {
    throw unknownDirective(key);
  }
}

function toMergedList(target: unknown, patch: readonly unknown[], path: string): unknown {
  const found: readonly unknown[] = Array.isArray(target) ? target : [];
  if (mergedValues.has(path)) return [...found, ...patch.filter((item) => !found.includes(item))];
  const mergeKey = mergeKeys[path];
  if (mergeKey === undefined) return patch;
  if (patch.some((item) => isRecord(item) && item['$patch'] === 'replace')) {
    return patch.filter((item) => !isRecord(item) || item['$patch'] === undefined);
  }
  const changed = new Map<unknown, unknown>();
  const gone = new Set<unknown>();
  const idOf = (item: unknown): unknown => (isRecord(item) ? item[mergeKey] : undefined);
  for (const item of patch) {
    const id = idOf(item);
    if (!isRecord(item) || id === undefined) throw noMergeKey(item, mergeKey);
    if (item['$patch'] === 'delete') gone.add(id);
    else
      changed.set(
        id,
        toStrategicallyMerged(
          found.find((one) => idOf(one) === id),
          item,
          `${path}[]`,
        ),
      );
  }
  const kept = found.filter((item) => !gone.has(idOf(item)) && !changed.has(idOf(item)));
  const ids = found.map(idOf);
  return inServerOrder(kept, [...changed.values()], (item) => ids.indexOf(idOf(item)));
}

/** What is new comes before what is compared with it, so a new condition stands first: the API server's own merge of the two orders. */
function inServerOrder(
  kept: readonly unknown[],
  patched: readonly unknown[],
  positionOf: (item: unknown) => number,
): unknown[] {
  const merged: unknown[] = [];
  const left = [...kept];
  for (const item of patched) {
    const position = positionOf(item);
    while (left.length > 0 && position >= 0 && positionOf(left[0]) < position) merged.push(left.shift());
    merged.push(item);
  }
  return [...merged, ...left];
}

function noMergeKey(item: unknown, mergeKey: string): Error {
  return internalError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
}

function unknownDirective(directive: unknown): Error {
  return badRequest(`Unknown patch type: ${String(directive)}`);
}

/** RFC 6902. @throws ApiError 422 when one operation does not fit, 400 when the body is no patch */
export function toPatched(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    const found = isRecord(patch) ? 'object' : typeof patch;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${found} into Go value of type []handlers.jsonPatchOp`,
    );
  }
  return patch.reduce((patched: unknown, operation: unknown) => {
    if (!isRecord(operation) || typeof operation['path'] !== 'string') throw patchRejected();
    return applyOperation(patched, operation, toPointer(operation['path']));
  }, structuredClone(target));
}

function applyOperation(document: unknown, operation: Record<string, unknown>, path: readonly string[]): unknown {
  const from = typeof operation['from'] === 'string' ? toPointer(operation['from']) : undefined;
  switch (operation['op']) {
    case 'test':
      if (!isSame(read(document, path, true), operation['value'] ?? null)) throw patchRejected();
      return document;
    // A key that is not there is added by a replace, too: seen on a real API server.
    case 'add':
    case 'replace':
      return write(document, path, operation['value'] ?? null, operation['op']);
    case 'remove':
      read(document, path);
      return remove(document, path);
    case 'copy':
      return write(document, path, structuredClone(read(document, from ?? [])), 'add');
    case 'move': {
      const value = read(document, from ?? []);
      return write(remove(document, from ?? []), path, value, 'add');
    }
    default:
      throw patchRejected();
  }
}

function toPointer(text: string): string[] {
  if (text === '') return [];
  if (!text.startsWith('/')) throw patchRejected();
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What is absent is `null` for a test, as in the library that the API server uses; for all else it is a misfit. */
function read(document: unknown, path: readonly string[], absentIsNull = false): unknown {
  let value = document;
  for (const [depth, part] of path.entries()) {
    const found: unknown = Array.isArray(value) ? value[toIndex(part)] : isRecord(value) ? value[part] : undefined;
    if (found === undefined) {
      if (absentIsNull && depth === path.length - 1 && isRecord(value)) return null;
      throw patchRejected();
    }
    value = found;
  }
  return value;
}

function write(document: unknown, path: readonly string[], value: unknown, mode: 'add' | 'replace'): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : toIndex(last);
    if (index > parent.length - (mode === 'add' ? 0 : 1)) throw patchRejected();
    parent.splice(index, mode === 'add' ? 0 : 1, value);
  } else if (isRecord(parent)) {
    parent[last] = value;
  } else {
    throw patchRejected();
  }
  return document;
}

function remove(document: unknown, path: readonly string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) throw patchRejected();
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(toIndex(last), 1);
  else if (isRecord(parent)) delete parent[last];
  return document;
}

function toIndex(part: string): number {
  if (!/^(?:0|[1-9]\d*)$/.test(part)) throw patchRejected();
  return Number(part);
}

/** By content: the order of keys does not count, that of lists does. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => isSame(item, right[index]));
  }
  if (!isRecord(left) || !isRecord(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length && keys.every((key) => key in right && isSame(left[key], right[key]))
  );
}
