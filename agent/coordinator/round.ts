import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { within } from './time-limit.ts';

/** The registry client has shorter ones; this bounds a call that takes several requests. */
const callWithinMs = 60_000;
/** After so many in a row a proxy-cache project is left alone for the rest of the round: each look-up would only wait as long. */
const mostTimeouts = 2;

/** Requests of one round: what several images ask for is asked once, and a project whose upstream hangs is not asked again and again. */
export class Round {
  readonly #source: Pick<ImageSource, 'headManifest'>;
  readonly #heads = new Map<string, Promise<string>>();
  readonly #timeouts = new Map<string, number>();

  constructor(source: Pick<ImageSource, 'headManifest'>) {
    this.#source = source;
  }

  /** The digest. @throws Failure as `ImageSource.headManifest` */
  head(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<string> {
    const { tag, digest } = reference;
    const key = `${repositoryName(reference)}@${digest ?? tag}`;
    let asked = this.#heads.get(key);
    if (asked === undefined) {
      asked = within(callWithinMs, signal, (limited) =>
        this.#source.headManifest(reference, credentials, limited),
      ).then((found) => found.digest);
      this.#heads.set(key, asked);
    }
    return asked;
  }

  /** As `head`, by a tag of a proxy-cache project. @param project with its host */
  async headThroughProxy(
    project: string,
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<string> {
    const count = () => this.#timeouts.get(project) ?? 0;
    if (count() >= mostTimeouts) {
      const words = `the upstream of ${project} does not answer: not asked again in this round`;
      throw new Failure('upstream', words, { detail: 'upstream_unhealthy' });
    }
    try {
      const digest = await this.head(reference, credentials, signal);
      this.#timeouts.delete(project);
      return digest;
    } catch (error) {
      if (Failure.from(error).code === 'timeout') this.#timeouts.set(project, count() + 1);
      throw error;
    }
  }
}

export { callWithinMs };
