import type { HttpResponse } from './transport.ts';

/** A project may be made anew with another upstream. */
const keptMs = 3_600_000;
const most = 1_000;

/**
 * Repositories that a registry permanently has under another name: Harbor redirects `hub/nginx`, behind Docker Hub, to `hub/library/nginx`, but only where
 * manifests and blobs are read. It says of no HEAD of a blob that it should be asked elsewhere (2.15.2).
 */
export class MovedRepositories {
  readonly #moved = new Map<string, { readonly repository: string; readonly until: number }>();

  /** The name to ask under. */
  nameOf(origin: string, repository: string): string {
    const found = this.#moved.get(`${origin} ${repository}`);
    return found !== undefined && found.until > performance.now() ? found.repository : repository;
  }

  /** @param path below the repository @param response the redirect's */
  note(origin: string, repository: string, path: string, response: HttpResponse, target: URL): void {
    if (response.status !== 301 && response.status !== 308) return;
    const end = `/${path.replace(/\?.*$/s, '')}`;
    const { pathname } = target;
    if (target.origin !== origin || !pathname.startsWith('/v2/') || !pathname.endsWith(end)) return;
    const name = pathname.slice('/v2/'.length, -end.length);
    if (name === '' || name === repository) return;
    if (this.#moved.size >= most) this.#moved.clear();
    this.#moved.set(`${origin} ${repository}`, { repository: name, until: performance.now() + keptMs });
  }
}
