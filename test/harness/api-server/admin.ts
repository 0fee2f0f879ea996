/** The objects of the store for the test itself: no HTTP, no permission, no admission; watchers see what it does. */

import { isRecord } from './fields.ts';
import { toStrategicallyMerged } from './patches.ts';
import { type ApiObject, type ObjectMeta, type ResourceName, resources } from './resources.ts';
import type { Store } from './store.ts';
import { mistakesOf } from './validation.ts';
import { toObject } from './bodies.ts';

export interface Admin {
  /** Creates or replaces it whole, status included, and makes its Namespace. Gives uid and times where the object has none. */
  put(
    resource: ResourceName,
    object: Partial<ApiObject> & { metadata: Partial<ObjectMeta> & { name: string } },
  ): ApiObject;
  /** Those among the objects that are of a resource this server has. */
  putAll(objects: readonly Record<string, unknown>[]): void;
  /** A strategic merge patch, of spec and status alike. `name`: `NAMESPACE/NAME` for what lies in a namespace. */
  patch(resource: ResourceName, name: string, change: object): ApiObject;
  /** @returns whether it was there */
  delete(resource: ResourceName, name: string): boolean;
  /** A copy. */
  get(resource: ResourceName, name: string): ApiObject | undefined;
  /** Copies, by name. */
  list(resource: ResourceName, namespace?: string): ApiObject[];
}

export function makeAdmin(store: Store): Admin {
  const put: Admin['put'] = (resource, object) => {
    const { namespaced, plural } = resources[resource];
    const whole = toObject(resources[resource], object);
    if (namespaced) {
      const { namespace = 'default' } = whole.metadata;
      whole.metadata.namespace = namespace;
      if (store.get('namespaces', undefined, namespace) === undefined) {
        put('namespaces', { metadata: { name: namespace } });
      }
    }
    const previous = store.get(plural, whole.metadata.namespace, whole.metadata.name);
    const { uid = previous?.metadata.uid, creationTimestamp = previous?.metadata.creationTimestamp } = whole.metadata;
    if (uid !== undefined) whole.metadata.uid = uid;
    if (creationTimestamp !== undefined) whole.metadata.creationTimestamp = creationTimestamp;
    const [mistake] = mistakesOf(resources[resource], whole, undefined);
    if (mistake !== undefined) throw new Error(`${mistake.field}: ${mistake.message}`);
    return structuredClone(store.write(plural, whole));
  };

  const find = (resource: ResourceName, path: string): ApiObject | undefined =>
    store.get(resource, ...toKeys(resource, path));

  return {
    put,
    putAll(objects) {
      for (const object of objects) {
        const resource = Object.values(resources).find(
          ({ kind, apiVersion }) => kind === object['kind'] && apiVersion === object['apiVersion'],
        );
        const { metadata } = object;
        if (resource === undefined || !isRecord(metadata) || typeof metadata['name'] !== 'string') continue;
        put(resource.plural, { ...object, metadata: { ...metadata, name: metadata['name'] } });
      }
    },
    patch(resource, path, change) {
      const existing = find(resource, path);
      if (existing === undefined) throw new Error(`there is no ${path} in ${resource}`);
      const patched = toStrategicallyMerged(structuredClone(existing), change);
      return structuredClone(store.write(resource, toObject(resources[resource], patched)));
    },
    delete: (resource, path) => store.remove(resource, ...toKeys(resource, path)) !== undefined,
    get(resource, path) {
      const found = find(resource, path);
      return found === undefined ? undefined : structuredClone(found);
    },
    list: (resource, namespace) =>
      structuredClone(store.list(resource, { namespace, name: undefined, matches: () => true })),
  };
}

function toKeys(resource: ResourceName, path: string): [namespace: string | undefined, name: string] {
  if (!resources[resource].namespaced) return [undefined, path];
  const slash = path.indexOf('/');
  if (slash < 0) throw new Error(`${resource} lie in a namespace: NAMESPACE/${path}`);
  return [path.slice(0, slash), path.slice(slash + 1)];
}
