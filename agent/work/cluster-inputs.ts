/** The configuration and the node's labels from Kubernetes, and where that does not answer, or says what cannot be used, the last good ones. */

import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { Cluster, ClusterHandlers, ConfigMapObject } from '../cluster/cluster.ts';
import type { Configuration, Mistake } from '../core/configuration.ts';
import { Failure } from '../core/failure.ts';
import type { LastGood, LastGoodNode } from '../core/last-good.ts';
import type { Logger } from '../core/logger.ts';
import { formatMistakes } from '../core/mistake.ts';
import type { Announce } from '../core/node-event.ts';
import type { NodeState } from '../core/node-state.ts';
import { sleep } from '../core/sleep.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';
import { ConfigMapTexts, type RefusedConfigMap, type TextParsers } from './config-map-texts.ts';
import { createLastGoodKeeper, type LastGoodKeeper, type LastGoodStore } from './last-good.ts';
import type { NodeInputs } from './node-inputs.ts';

export interface ClusterInputsParts {
  /** Its `configurationSource` is that of the main ConfigMap: `toConfigMapSource`. */
  readonly inputs: NodeInputs;
  readonly nodeName: string;
  readonly namespace: string;
  /** The main ConfigMap's name. */
  readonly configMap: string;
  readonly parsers: TextParsers;
  /** Undefined: nothing outlives the process. */
  readonly store: LastGoodStore | undefined;
  readonly announce: Announce;
  readonly recorder: Pick<ClusterRecorder, 'teamConfigMapsRefused'>;
  readonly log: Logger;
  /** What the API server has not told so long after the start is taken from the last good; default 10 s. */
  readonly startPatienceMs?: number;
}

const defaultStartPatienceMs = 10_000;

export class ClusterInputs {
  /** For `Cluster.watch`, once `load` is done. */
  readonly handlers: ClusterHandlers;
  readonly #parts: ClusterInputsParts;
  readonly #texts: ConfigMapTexts;
  readonly #keeper: LastGoodKeeper | undefined;
  #lastGood: LastGood | undefined;
  #node: LastGoodNode | undefined;
  /** What was said last of each ConfigMap that is refused, by source. */
  readonly #told = new Map<string, string>();
  /** Whether the Node is known not to be there, which is said once. */
  #isNodeGone = false;
  #hasConfigMaps = false;
  /** Whether the main ConfigMap's newest text is in force, and its recorder has heard so. */
  #isAccepted = false;
  #warnings: readonly Mistake[] | undefined;
  #contactProblem: string | undefined;

  constructor(parts: ClusterInputsParts) {
    const { namespace, configMap, parsers, store, log } = parts;
    this.#parts = parts;
    this.#texts = new ConfigMapTexts(namespace, configMap, parsers);
    this.#keeper = store === undefined ? undefined : createLastGoodKeeper(store, log);
    this.handlers = {
      onNode: (node) => this.#onNode(node),
      onConfigMaps: (configMaps) => this.#onConfigMaps(configMaps),
      onContact: (live, problem) => this.#onContact(live, problem),
    };
  }

  /** Reads the last good of earlier times. To be awaited before anything else. Never rejects. */
  async load(): Promise<void> {
    const { store, nodeName, namespace, configMap, log } = this.#parts;
    const lastGood = await store?.load();
    if (lastGood === undefined) return;
    // A machine's image may carry the state folder of another machine, or of another cluster.
    const { main } = lastGood;
    const isOurs = lastGood.nodeName === nodeName && lastGood.namespace === namespace;
    if (!isOurs || (main !== undefined && main.name !== configMap)) {
      log.info(
        { node: lastGood.nodeName, namespace: lastGood.namespace, configMap: main?.name },
        'the last good configuration is of another node or ConfigMap, and not used',
      );
      return;
    }
    this.#lastGood = lastGood;
    this.#node = lastGood.node;
    this.#texts.startFrom(lastGood);
    const { savedAt: _savedAt, ...kept } = lastGood;
    this.#keeper?.startFrom(kept);
  }

  /** Makes do with the last good for what has not come when patience ends. Resolves when the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    await sleep(this.#parts.startPatienceMs ?? defaultStartPatienceMs, signal);
    if (signal.aborted) return;
    this.#useLastGood(this.#contactProblem);
    await once(signal, 'abort');
  }

  /** For one look or one round: everything as it is now. @throws Failure where that does not suffice to begin */
  async readOnce(cluster: Cluster, signal: AbortSignal): Promise<void> {
    const { inputs, log, startPatienceMs = defaultStartPatienceMs } = this.#parts;
    try {
      const { node, configMaps } = await cluster.read(AbortSignal.any([signal, AbortSignal.timeout(startPatienceMs)]));
      this.#onNode(node);
      this.#onConfigMaps(configMaps);
    } catch (error) {
      signal.throwIfAborted();
      const failure = Failure.from(error);
      this.#useLastGood(failure.message);
      if (inputs.problem !== undefined) throw failure;
      log.error({ error: failure.message, ...this.#age() }, 'the API server does not answer: what it said last counts');
    }
    if (inputs.problem !== undefined) throw new Failure('other', inputs.problem);
  }

  /** What was accepted last is kept, as far as it can be. Never rejects. */
  async flush(): Promise<void> {
    await this.#keeper?.flush();
  }

  #onNode(node: NodeState | undefined): void {
    const { inputs, nodeName, log } = this.#parts;
    if (node === undefined) {
      if (this.#isNodeGone) return;
      this.#isNodeGone = true;
      if (inputs.node === undefined) inputs.refuseLabels([toMistake('the API server has no such Node')]);
      else log.warn({ node: nodeName }, 'the Node is gone from the API server: its labels stay in force as they were');
      return;
    }
    if (this.#isNodeGone) log.info({ node: nodeName }, 'the Node is there again');
    this.#isNodeGone = false;
    if (isDeepStrictEqual(node, inputs.node)) return;
    const { conditions: _conditions, ...kept } = node;
    this.#node = kept;
    inputs.acceptNode(node);
    this.#keep();
  }

  #onConfigMaps(configMaps: readonly ConfigMapObject[]): void {
    const { inputs, recorder } = this.#parts;
    this.#hasConfigMaps = true;
    this.#texts.take(configMaps);
    const { configuration, warnings, mainMistakes, refusedTeams } = this.#texts.look();
    const isNew = configuration !== undefined && configuration !== inputs.configuration;
    if (mainMistakes === undefined) {
      this.#told.delete(this.#mainSource);
      if (configuration !== undefined && (isNew || !this.#isAccepted)) {
        inputs.acceptConfiguration(configuration, warnings === this.#warnings ? [] : warnings);
        this.#warnings = warnings;
        this.#isAccepted = true;
      }
    } else {
      this.#isAccepted = false;
      if (isNew) this.#keepConfiguration(configuration, 'the ConfigMap cannot be used as it is');
      if (this.#isNews(this.#mainSource, mainMistakes)) inputs.refuseConfiguration(mainMistakes);
    }
    this.#tellTeams(refusedTeams);
    recorder.teamConfigMapsRefused(refusedTeams.length);
    this.#keep();
  }

  #onContact(live: boolean, problem: string | undefined): void {
    const { log } = this.#parts;
    this.#contactProblem = live ? undefined : problem;
    if (live) log.info({}, 'configuration and Node are watched');
    else log.warn({ error: problem }, 'the API server is not heard: what it said last stays in force');
  }

  #useLastGood(problem: string | undefined): void {
    const { inputs, log } = this.#parts;
    const why = problem ?? 'no answer yet';
    if (!this.#hasConfigMaps) {
      const { configuration } = this.#texts.look();
      if (configuration !== undefined) this.#keepConfiguration(configuration, why);
    }
    const node = this.#lastGood?.node;
    if (inputs.node === undefined && node !== undefined) {
      log.warn({ why, ...this.#age() }, 'starting from the last good labels of the Node');
      inputs.acceptNode({ ...node, conditions: [] });
    }
    if (inputs.problem !== undefined && (!this.#hasConfigMaps || inputs.node === undefined)) {
      log.warn(
        { why, missing: inputs.problem },
        'the API server has not said enough to begin, and nothing of earlier times does',
      );
    }
  }

  #keepConfiguration(configuration: Configuration, why: string): void {
    const { inputs, log } = this.#parts;
    if (inputs.configuration === undefined) {
      log.warn({ source: this.#mainSource, why, ...this.#age() }, 'starting from the last good configuration');
    }
    inputs.keepConfiguration(configuration);
  }

  #tellTeams(refused: readonly RefusedConfigMap[]): void {
    const { log } = this.#parts;
    const sources = new Set(refused.map(({ source }) => source));
    for (const source of this.#told.keys()) {
      if (source === this.#mainSource || sources.has(source)) continue;
      this.#told.delete(source);
      log.info({ source }, 'nothing of this ConfigMap is refused any more');
    }
    for (const { source, mistakes, inForce } of refused) {
      if (!this.#isNews(source, mistakes)) continue;
      const rest = inForce ? 'what was good of it stays in force' : 'none of its image sets is in force';
      log.error({ source, mistakes }, `image sets of a ConfigMap refused, ${rest}`);
    }
  }

  /** Also announces what is. */
  #isNews(source: string, mistakes: readonly Mistake[]): boolean {
    const text = formatMistakes(mistakes, source);
    if (this.#told.get(source) === text) return false;
    this.#told.set(source, text);
    this.#parts.announce({ kind: 'configuration_refused', source, mistakes: text });
    return true;
  }

  #keep(): void {
    const { nodeName, namespace } = this.#parts;
    const { main, teams } = this.#texts.good;
    // Of another version of Stevedore, perhaps, which may come back.
    this.#keeper?.keep({ nodeName, namespace, main: main ?? this.#lastGood?.main, teams, node: this.#node });
  }

  get #mainSource(): string {
    return this.#texts.sourceOf(this.#parts.configMap);
  }

  #age(): { readonly savedAt?: string; readonly ageSeconds?: number } {
    if (this.#lastGood === undefined) return {};
    const { savedAt } = this.#lastGood;
    return { savedAt: new Date(savedAt).toISOString(), ageSeconds: Math.round((Date.now() - savedAt) / 1000) };
  }
}

/** One of a whole object. */
function toMistake(rule: string): Mistake {
  return { path: '', value: undefined, rule, line: undefined };
}
