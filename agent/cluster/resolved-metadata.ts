/** The labels and annotations of `stevedore-resolved-…`, which are Helm's, kubectl's and others': an update that left them out would remove them. */

import { type Fields, readRecord } from './fields.ts';
import { toName, toResourceVersion } from './objects.ts';

/** Of each of the eight what it is, and what it was a moment ago: the watch may be behind the answer to an update. */
const mostKept = 32;

export class ResolvedMetadata {
  readonly #kept = new Map<string, Fields>();

  /** From a list, a watch or an answer. */
  note(object: unknown): void {
    const { uid, labels, annotations, ownerReferences, finalizers } = readRecord(readRecord(object)['metadata']);
    const key = toKey(toName(object), toResourceVersion(object) ?? '');
    this.#kept.delete(key);
    this.#kept.set(key, { uid, labels, annotations, ownerReferences, finalizers });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) return;
      this.#kept.delete(oldest);
    }
  }

  /** Undefined: that version of it was never seen. */
  find(name: string, resourceVersion: string): Fields | undefined {
    return this.#kept.get(toKey(name, resourceVersion));
  }
}

function toKey(name: string, resourceVersion: string): string {
  return `${name}/${resourceVersion}`;
}
