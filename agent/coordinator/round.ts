import type { Credential } from '../core/credentials.ts';
import { Failure } from '../core/failure.ts';
import { type ImageReference, repositoryName } from '../core/image-reference.ts';
import type { ImageSource } from '../registry/image-source.ts';
import { Breaker, registryLane } from './breaker.ts';
import { projectOf } from './project-book.ts';

/** After so many in a row a proxy-cache project is left alone for the rest of the round: each look-up would only wait as long. */
const mostTimeouts = 2;

/** Requests of one round: what several images ask for is asked once, and what hangs, a host or the upstream of a project, is not asked again and again. */
export class Round {
  readonly breaker = new Breaker();
  readonly #source: Pick<ImageSource, 'headManifest'>;
  readonly #heads = new Map<string, Promise<string>>();
  /** By project with its host. */
  readonly #timeouts = new Map<string, number>();

  constructor(source: Pick<ImageSource, 'headManifest'>) {
    this.#source = source;
  }

  /** The digest. @throws Failure as `ImageSource.headManifest` */
  head(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<string> {
    return this.#once(reference, () =>
      this.breaker.ask(registryLane(reference.registry), signal, (limited) =>
        this.#head(reference, credentials, limited),
      ),
    );
  }

  /** As `head`, by a tag of a proxy-cache project. */
  async headThroughProxy(
    reference: ImageReference,
    credentials: readonly Credential[],
    signal: AbortSignal,
  ): Promise<string> {
    return this.#once(reference, () =>
      this.throughProxy(reference, signal, (limited) => this.#head(reference, credentials, limited)),
    );
  }

  /** What an upstream may be asked for, which then does not answer: that is not the host's fault. @throws Failure */
  async throughProxy<Result>(
    { registry, repository }: ImageReference,
    signal: AbortSignal,
    work: (limited: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const project = `${registry}/${projectOf(repository) ?? ''}`;
    const count = () => this.#timeouts.get(project) ?? 0;
    if (count() >= mostTimeouts) {
      const words = `the upstream of ${project} does not answer: not asked again in this round`;
      throw new Failure('upstream', words, { detail: 'upstream_unhealthy' });
    }
    try {
      const result = await this.breaker.ask(registryLane(registry), signal, work, { countsTimeouts: false });
      this.#timeouts.delete(project);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (Failure.from(error).code === 'timeout') this.#timeouts.set(project, count() + 1);
      throw error;
    }
  }

  async #head(reference: ImageReference, credentials: readonly Credential[], signal: AbortSignal): Promise<string> {
    return (await this.#source.headManifest(reference, credentials, signal)).digest;
  }

  #once(reference: ImageReference, ask: () => Promise<string>): Promise<string> {
    const { tag, digest } = reference;
    const key = `${repositoryName(reference)}@${digest ?? tag}`;
    let asked = this.#heads.get(key);
    if (asked === undefined) {
      asked = ask();
      this.#heads.set(key, asked);
    }
    return asked;
  }
}
