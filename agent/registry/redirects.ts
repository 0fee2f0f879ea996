/** Redirects of a registry: followed within limits, and no credential goes along to another host. */

import { Failure } from '../core/failure.ts';
import { type Endpoint, isSameOrigin } from './endpoint.ts';
import type { HttpResponse } from './transport.ts';

/**
 * `everywhere`: also to the storage behind the registry. `inRegistry`: only to another name in the registry itself (Harbor sends
 * `hub/nginx` to `hub/library/nginx`); any other redirect is the answer.
 */
export type RedirectRule = 'everywhere' | 'inRegistry';

export interface FollowedAnswer<Response extends HttpResponse> {
  readonly response: Response;
  /** Some other host gave it, without having seen a credential. */
  readonly isForeign: boolean;
}

export interface Redirected {
  readonly rule: RedirectRule;
  /** The caller checks a digest: then even a redirect from https to http can do no harm. */
  readonly isVerified: boolean;
}

const maxRedirects = 5;
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(response: HttpResponse): boolean {
  return redirectStatuses.has(response.status);
}

/**
 * @param get asks one address, with the credential or, `isForeign`, without.
 * @param onRedirect told of each redirect that is followed.
 * @throws Failure `upstream` for redirects that lead nowhere; else as `get`.
 */
export async function followRedirects<Response extends HttpResponse>(
  start: URL,
  endpoint: Endpoint,
  { rule, isVerified }: Redirected,
  get: (url: URL, isForeign: boolean) => Promise<Response>,
  onRedirect?: (response: Response, target: URL) => void,
): Promise<FollowedAnswer<Response>> {
  let url = start;
  let isForeign = false;
  for (let redirects = 0; ; redirects += 1) {
    const response = await get(url, isForeign);
    if (!isRedirect(response)) return { response, isForeign };
    const target = toTarget(response, url, isVerified);
    const isInRegistry = isSameOrigin(target, endpoint.base) && target.pathname.startsWith('/v2/');
    if (rule === 'inRegistry' && !isInRegistry) return { response, isForeign };
    if (redirects === maxRedirects)
      throw new Failure('upstream', `${endpoint.host} redirects more than ${maxRedirects} times`);
    onRedirect?.(response, target);
    // Once away the credential stays away, also where a later redirect leads back.
    isForeign ||= !isSameOrigin(target, endpoint.base);
    url = target;
  }
}

function toTarget(response: HttpResponse, url: URL, isVerified: boolean): URL {
  const location = response.header('location')[0] ?? '';
  if (location === '' || !URL.canParse(location, url.href)) {
    throw new Failure('upstream', `${url.host} redirects without saying where to`);
  }
  const target = new URL(location, url);
  const isHttp =
    target.protocol === 'https:' || (target.protocol === 'http:' && (url.protocol === 'http:' || isVerified));
  if (!isHttp)
    throw new Failure('upstream', `${url.host} redirects to ${target.protocol}//${target.host}, which is not followed`);
  target.username = '';
  target.password = '';
  return target;
}
