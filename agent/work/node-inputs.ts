import { isDeepStrictEqual } from 'node:util';
import type { Configuration, Mistake } from '../core/configuration.ts';
import type { Labels } from '../core/label-selector.ts';
import { imageSetLabelPrefix } from '../core/label-syntax.ts';
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
    const { recorder, log, configurationSource: source } = this.#parts;
    recorder.configurationLoaded(true, Date.now());
    log.info({ source, imageSets: toNames(configuration) }, 'configuration accepted');
    for (const { path, value, rule, line } of warnings) {
      log.warn({ source, path, value, rule, line }, 'configuration says what is probably not meant');
    }
    this.#useConfiguration(configuration);
  }

  /**
   * What was good before is in force although its source cannot be read or was refused since; what of it may change still, such
   * as a team's sets, has.
   */
  keepConfiguration(configuration: Configuration): void {
    const { log, configurationSource: source } = this.#parts;
    log.info({ source, imageSets: toNames(configuration) }, 'the last good configuration is in force');
    this.#useConfiguration(configuration);
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
    const labels = withoutOwn(node.labels);
    if (this.#node === undefined || !isDeepStrictEqual(labels, withoutOwn(this.#node.labels))) {
      log.info({ labels }, 'node labels');
    }
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

  #useConfiguration(configuration: Configuration): void {
    this.#configuration = configuration;
    this.#report();
    this.#parts.onConfiguration(configuration);
  }

  #report(): void {
    this.#parts.onProblem(this.problem);
  }
}

function toNames({ imageSets }: Configuration): readonly string[] {
  return imageSets.map(({ name }) => name);
}

/** Those that the agent itself writes are its answer, not what it is asked for. */
function withoutOwn(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith(imageSetLabelPrefix)));
}
