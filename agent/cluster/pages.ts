/** Lists in pages, so that no answer is larger than a page of the largest objects. */

import { Failure } from '../core/failure.ts';
import { readList, readRecord, readString } from './fields.ts';
import { toResourceVersion } from './objects.ts';
import type { Question, Requests } from './requests.ts';

/** 20,000 ConfigMaps or 500,000 Nodes: a server whose pages do not end is not followed for ever. */
const mostPages = 1_000;

export interface Listed<T> {
  /** Of the snapshot that all pages are from. */
  readonly resourceVersion: string;
  readonly items: readonly T[];
}

/**
 * Without a resourceVersion: the newest there is, also of a cluster that was put back to an older state; with resourceVersion 0 an API server
 * gives everything at once (kube-apiserver 1.36.3). `toItem` sees each page as it comes; what it leaves out is not kept.
 *
 * @throws Failure as the port says, also when the pages take longer than the API server remembers their snapshot (5 minutes and more)
 */
export async function listPages<T>(
  requests: Requests,
  question: Question,
  pageSize: number | undefined,
  toItem: (object: unknown) => T | undefined,
  signal: AbortSignal,
): Promise<Listed<T>> {
  const items: T[] = [];
  let rest: string | undefined;
  for (let pages = 1; ; pages += 1) {
    if (pages > mostPages)
      throw new Failure('other', `the API server sends more than ${mostPages} pages of ${question.path}`);
    const query = {
      ...question.query,
      ...(pageSize === undefined ? {} : { limit: String(pageSize) }),
      ...(rest === undefined ? {} : { continue: rest }),
    };
    const answer = await requests.ask({ ...question, query }, signal);
    for (const object of readList(readRecord(answer)['items'])) {
      const item = toItem(object);
      if (item !== undefined) items.push(item);
    }
    rest = readString(readRecord(readRecord(answer)['metadata'])['continue']) || undefined;
    if (rest !== undefined) continue;
    const resourceVersion = toResourceVersion(answer);
    if (resourceVersion === undefined)
      throw new Failure('other', 'the API server sent a list without a resourceVersion');
    return { resourceVersion, items };
  }
}
