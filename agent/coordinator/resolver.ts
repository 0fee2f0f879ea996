import type { Demand } from '../core/demand.ts';
import type { Logger } from '../core/logger.ts';
import type { Resolutions } from '../core/resolution.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { CredentialsFor, Random } from './parts.ts';
import type { ProjectBook } from './project-book.ts';

export interface ResolverParts {
  /** With short time-outs of its own: an upstream that hangs blocks look-ups by tag for minutes. */
  readonly source: Pick<ImageSource, 'headManifest' | 'readImage' | 'readSignatures'>;
  readonly harbor: Pick<Harbor, 'hasProject' | 'listRepositories' | 'listArtifacts' | 'readArtifact'>;
  readonly projects: ProjectBook;
  readonly credentialsFor: CredentialsFor;
  readonly isHarbor: (host: string) => boolean;
  /** Somebody warms what is behind proxy-cache projects. */
  readonly warms: () => boolean;
  readonly log: Logger;
  readonly random?: Random;
}

export class Resolver {
  readonly #parts: ResolverParts;

  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }

  /** One round: asks after what is due, and gives everything that the demand names. Rejects only with an abort. */
  resolve(_demand: Demand, before: Resolutions, signal: AbortSignal): Promise<Resolutions> {
    signal.throwIfAborted();
    this.#parts.log.debug({}, 'nothing is resolved yet');
    return Promise.resolve(before);
  }

  /** When the first thing of the demand is due, monotonic ms. */
  nextDueAt(_demand: Demand): number {
    return performance.now();
  }
}
