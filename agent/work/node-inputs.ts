import { isDeepStrictEqual } from 'node:util';
import type { Configuration, Mistake } from '../core/configuration.ts';
import type { Logger } from '../core/logger.ts';
import { formatMistakes } from '../core/mistake.ts';
import type { NodeState } from '../core/node-state.ts';
import type { Recorder } from './recorder.ts';

export interface NodeInputsParts {
  readonly configurationSource: string;
  readonly labelsSource: string;
  readonly recorder: Pick<Recorder, 'configurationLoaded'>;
  readonly log: Logger;
  readonly onConfiguration: (configuration: Configuration) => void;
  readonly onNode: (node: NodeState) => void;
  /** What is missing for work to begin; undefined: nothing. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** The configuration and the labels in force: the last good ones, whatever came after them. */
export class NodeInputs {
  readonly #parts: NodeInputsParts;
  #configuration: Configuration | undefined;
  #node: NodeState | undefined;
  #configurationProblem = 'no configuration has been accepted yet';
  #nodeProblem = 'the labels of the node are not known yet';

  constructor(parts: NodeInputsParts) {
    this.#parts = parts;
  }

  get configuration(): Configuration | undefined {
    return this.#configuration;
  }

  get node(): NodeState | undefined {
    return this.#node;
  }

  get problem(): string | undefined {
    if (this.#configuration === undefined) return this.#configurationProblem;
    return this.#node === undefined ? this.#nodeProblem : undefined;
  }

  acceptConfiguration(configuration: Configuration, warnings: readonly Mistake[] = []): void {
    const { recorder, log, configurationSource: source, onConfiguration } = this.#parts;
    this.#configuration = configuration;
    recorder.configurationLoaded(true, Date.now());
    log.info({ source, imageSets: configuration.imageSets.map(({ name }) => name) }, 'configuration accepted');
    for (const { path, value, rule, line } of warnings) {
      log.warn({ source, path, value, rule, line }, 'configuration says what is probably not meant');
    }
    this.#report();
    onConfiguration(configuration);
  }

  refuseConfiguration(mistakes: readonly Mistake[]): void {
    const { recorder, log, configurationSource: source } = this.#parts;
    this.#configurationProblem = formatMistakes(mistakes, source);
    recorder.configurationLoaded(false, Date.now());
    const inForce = this.#configuration === undefined ? 'none is in force' : 'the last good one stays in force';
    log.error({ source, mistakes }, `configuration refused, ${inForce}`);
    this.#report();
  }

  acceptNode(node: NodeState): void {
    const { log, onNode } = this.#parts;
    const { labels } = node;
    if (!isDeepStrictEqual(labels, this.#node?.labels)) log.info({ labels }, 'node labels');
    this.#node = node;
    this.#report();
    onNode(node);
  }

  refuseLabels(mistakes: readonly Mistake[]): void {
    const { log, labelsSource: source } = this.#parts;
    this.#nodeProblem = formatMistakes(mistakes, source);
    const inForce = this.#node === undefined ? 'none are in force' : 'the last good ones stay in force';
    log.error({ source, mistakes }, `labels refused, ${inForce}`);
    this.#report();
  }

  #report(): void {
    this.#parts.onProblem(this.problem);
  }
}
