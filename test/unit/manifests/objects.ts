/** Rendered manifests as objects that can be compared and asked. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, stringify } from 'yaml';

export const manifests = fileURLToPath(new URL('../../../manifests', import.meta.url));

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** Namespaces first, as `kubectl apply` needs it; then in the order of kind, namespace and name, whatever order a tool had them in. */
export function parseObjects(text: string): readonly KubernetesObject[] {
  const objects = parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as KubernetesObject | null;
  });
  return objects.filter((object) => object !== null).toSorted((a, b) => compare(toKey(a), toKey(b)));
}

/** What Helm puts on its objects, and kustomize does not. */
const helmLabels = [
  'app.kubernetes.io/instance',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/version',
  'helm.sh/chart',
];

/** Lists whose order means nothing, by the key that their entries have but once. */
const listKeys: Readonly<Record<string, string>> = { env: 'name', volumes: 'name', volumeMounts: 'mountPath' };

/** Without Helm's labels, and with lists in one order where theirs means nothing. */
export function toComparable(objects: readonly KubernetesObject[]): readonly unknown[] {
  return objects.map((object) => {
    const labels = Object.entries(object.metadata.labels ?? {}).filter(([key]) => !helmLabels.includes(key));
    const { labels: _, ...metadata } = object.metadata;
    const bare = labels.length === 0 ? metadata : { ...metadata, labels: Object.fromEntries(labels) };
    return toSorted({ ...object, metadata: bare });
  });
}

function toSorted(value: Json, key = ''): Json {
  if (Array.isArray(value)) {
    const by = listKeys[key];
    const list = (value as readonly Json[]).map((entry) => toSorted(entry));
    return by === undefined ? list : list.toSorted((a, b) => compare(textAt(a, by), textAt(b, by)));
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as { readonly [key: string]: Json });
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => compare(a, b)).map(([name, inner]) => [name, toSorted(inner, name)]),
  );
}

/** One text for equal objects, whichever version of a tool has rendered them. */
export function toText(objects: readonly KubernetesObject[]): string {
  return toComparable(objects)
    .map((object) => stringify(object, { lineWidth: 0 }))
    .join('---\n');
}

/** Of every file that a rendering is made from. */
export function hashInputs(): string {
  const hash = createHash('sha256');
  for (const folder of ['base', 'components', 'helm', 'overlays']) {
    const paths = readdirSync(join(manifests, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.toSorted()) {
      hash
        .update(`${path.slice(manifests.length)}\0`)
        .update(readFileSync(path))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

const toKey = ({ kind, metadata: { namespace = '', name } }: KubernetesObject): string =>
  `${kind === 'Namespace' ? '' : kind}/${namespace}/${name}`;

const textAt = (value: Json, key: string): string =>
  JSON.stringify((value as { readonly [key: string]: Json })[key] ?? '');

/** By code points: the same on every machine, unlike `localeCompare`. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
