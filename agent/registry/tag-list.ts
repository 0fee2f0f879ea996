/** All tags of a repository (OCI distribution specification 1.1, "Listing Tags"), page by page. */

import { Failure } from '../core/failure.ts';
import { isSameOrigin } from './endpoint.ts';
import type { RepositoryAccess, RepositoryRequest } from './repository-access.ts';
import { parseNextLink } from './next-link.ts';

const pageSize = 1_000;
const maxPages = 1_000;
const maxPageBytes = 8 * 1024 * 1024;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Follows `Link` where there is one, also a relative one; without one it goes on behind the last tag of a full page.
 * @throws Failure `upstream` for what is no list of tags (a proxy's HTML page)
 */
export async function listTags(access: RepositoryAccess): Promise<readonly string[]> {
  const subject = access.subject('tags');
  const tags = new Set<string>();
  const asked = new Set<string>();
  let query: string | undefined = `n=${pageSize}`;
  while (query !== undefined) {
    if (asked.size === maxPages) throw new Failure('other', `${subject} have more than ${maxPages} pages`);
    asked.add(query);
    const path = `tags/list?${query}`;
    const request: RepositoryRequest = {
      method: 'GET',
      path,
      operation: 'tags',
      accept: 'application/json',
      maxBytes: maxPageBytes,
      isVerified: false,
    };
    const response = await access.send(request);
    if (response.status !== 200) throw await access.toFailure(response, subject, request);
    const found = parseTags(response.body);
    if (found === undefined) throw new Failure('upstream', `${response.url.host} answers no list of ${subject}`);
    for (const tag of found) tags.add(tag);
    const link = parseNextLink(response.header('link'));
    const last = found.at(-1);
    if (link !== undefined) query = toQuery(link, response.url, subject);
    else query = found.length === pageSize && last !== undefined ? toPage(last) : undefined;
    // A server that ignores which page was asked for gives the same one for ever.
    if (query !== undefined && asked.has(query)) query = undefined;
  }
  return [...tags];
}

function toPage(last: string): string {
  return new URLSearchParams({ n: String(pageSize), last }).toString();
}

/** Only the query counts: the address stays the repository's own. */
function toQuery(link: string, current: URL, subject: string): string {
  const url = URL.canParse(link, current.href) ? new URL(link, current) : undefined;
  if (url === undefined || !isSameOrigin(url, current) || url.pathname !== current.pathname) {
    throw new Failure('upstream', `the next page of ${subject} is said to be elsewhere, which is not followed`);
  }
  return url.search.slice(1);
}

function parseTags(body: Buffer): string[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null || !('tags' in document)) return undefined;
  // An empty repository's list is null in Distribution 2.
  if (document.tags === null) return [];
  if (!Array.isArray(document.tags)) return undefined;
  return document.tags.filter((tag: unknown): tag is string => typeof tag === 'string' && tagPattern.test(tag));
}
