import type { ClusterNode } from '../cluster/cluster.ts';
import type { Configuration } from '../core/configuration.ts';
import type { Labels } from '../core/label-selector.ts';
import type { Logger } from '../core/logger.ts';
import type { Platform } from '../core/platform.ts';
import type { Resolutions } from '../core/resolution.ts';
import type { Harbor } from '../registry/harbor.ts';
import type { ImageSource } from '../registry/image-source.ts';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import type { CredentialsFor, Random } from './parts.ts';
import type { Publication } from './publication.ts';

export interface CoordinatorParts {
  /** With short time-outs of its own: an upstream that hangs blocks look-ups by tag for minutes. */
  readonly source: ImageSource;
  readonly harbor: Harbor;
  readonly credentialsFor: CredentialsFor;
  readonly publication: Publication;
  /** All nodes of the cluster; undefined: there is only the own one. */
  readonly listNodes: ((signal: AbortSignal) => Promise<readonly Pick<ClusterNode, 'labels'>[]>) | undefined;
  readonly own: () => { readonly labels: Labels; readonly platform: Platform };
  /** After each round: `Election.roundDone`. Epoch ms. */
  readonly onRound: (at: number) => void;
  readonly recorder: HarborRecorder;
  readonly log: Logger;
  readonly random?: Random;
}

/** A desired image that a retention rule of its project would delete. */
export interface RetentionRisk {
  readonly reference: string;
  readonly project: string;
  readonly message: string;
}

/** What one agent does for all: resolves, publishes, warms, keeps alive, and looks how the Harbors are. */
export class Coordinator {
  readonly #parts: CoordinatorParts;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
  }

  /** What is desired, and how; a change is worked on at once. */
  setConfiguration(_configuration: Configuration | undefined): void {}

  /** As found by the last look at retention rules. */
  get retentionRisks(): readonly RetentionRisk[] {
    return [];
  }

  /** Works for the cluster until the signal fires; what `Election` is handed. Without Kubernetes called once, for the one process. */
  async lead(signal: AbortSignal): Promise<void> {
    await this.#parts.publication.read(signal);
  }

  /** One round for the own node alone, when nobody leads: nothing is published and nothing warmed. Rejects only with an abort. */
  resolveForOwnNode(before: Resolutions, _signal: AbortSignal): Promise<Resolutions> {
    return Promise.resolve(before);
  }
}
