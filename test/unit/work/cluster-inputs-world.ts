/** An agent's inputs from a cluster in memory, with all that it says and does. On fake timers. */

import { vi } from 'vitest';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { parseTeamConfiguration } from '../../../agent/config/team-configuration.ts';
import type { Configuration } from '../../../agent/core/configuration.ts';
import type { LastGood } from '../../../agent/core/last-good.ts';
import { type LogFields, silentLogger } from '../../../agent/core/logger.ts';
import type { NodeEvent } from '../../../agent/core/node-event.ts';
import type { NodeState } from '../../../agent/core/node-state.ts';
import { ClusterInputs } from '../../../agent/work/cluster-inputs.ts';
import { toConfigMapSource } from '../../../agent/core/config-map-source.ts';
import type { LastGoodStore } from '../../../agent/work/last-good.ts';
import { NodeInputs } from '../../../agent/work/node-inputs.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { RecordingClusterRecorder } from '../../fakes/recording-cluster-recorder.ts';

export interface Said extends LogFields {
  readonly level: string;
  readonly message: string;
}

/** A state folder that outlives the processes which use it. */
export class FakeLastGoodStore implements LastGoodStore {
  stored: LastGood | undefined;
  saves = 0;
  failure: Error | undefined;

  load(): Promise<LastGood | undefined> {
    return Promise.resolve(this.stored);
  }

  save(lastGood: LastGood): Promise<void> {
    this.saves += 1;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.stored = lastGood;
    return Promise.resolve();
  }
}

export interface WorldOptions {
  readonly api?: FakeApi;
  readonly store?: FakeLastGoodStore;
  readonly nodeName?: string;
  readonly namespace?: string;
  /** As a version of Stevedore that knows more or fewer options would. */
  readonly parseMain?: typeof parseConfiguration;
}

/** One life of an agent. */
export function createInputsWorld(options: WorldOptions = {}) {
  const { api = new FakeApi(), store, nodeName = 'gpu-1', namespace = 'stevedore' } = options;
  const cluster = new FakeCluster(nodeName, { api });
  const said: Said[] = [];
  const announced: NodeEvent[] = [];
  const configurations: Configuration[] = [];
  const nodes: NodeState[] = [];
  const loads: boolean[] = [];
  const recorder = new RecordingClusterRecorder();
  let parses = 0;
  const say = (level: string) => (fields: LogFields, message: string) => said.push({ level, message, ...fields });
  const log = { ...silentLogger, info: say('info'), warn: say('warn'), error: say('error') };
  const inputs = new NodeInputs({
    configurationSource: toConfigMapSource(namespace, 'stevedore'),
    labelsSource: `node ${nodeName}`,
    recorder: { configurationLoaded: (accepted) => loads.push(accepted) },
    log,
    onConfiguration: (configuration) => configurations.push(configuration),
    onNode: (node) => nodes.push(node),
    onProblem: () => undefined,
  });
  const clusterInputs = new ClusterInputs({
    inputs,
    nodeName,
    namespace,
    configMap: 'stevedore',
    parsers: {
      main: (text, source) => {
        parses += 1;
        return (options.parseMain ?? parseConfiguration)(text, source);
      },
      team: (text, source) => {
        parses += 1;
        return parseTeamConfiguration(text, source);
      },
    },
    store,
    announce: (event) => announced.push(event),
    recorder,
    log,
  });
  const stopping = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  return {
    api,
    cluster,
    inputs,
    clusterInputs,
    recorder,
    said,
    announced,
    configurations,
    nodes,
    /** What was recorded of the main configuration: accepted or refused. */
    loads,
    parses: () => parses,
    /** The names of the sets in force. */
    sets: () => inputs.configuration?.imageSets.map(({ name }) => name),
    saidAt: (level: string) => said.filter((one) => one.level === level).map(({ message }) => message),
    start: async () => {
      await clusterInputs.load();
      running = Promise.all([
        cluster.watch(clusterInputs.handlers, stopping.signal),
        clusterInputs.run(stopping.signal),
      ]);
      await vi.advanceTimersByTimeAsync(0);
    },
    stop: async () => {
      stopping.abort();
      await running;
      await clusterInputs.flush();
    },
  };
}

/** A text with sets of these names. */
export const setsText = (...names: readonly string[]): string =>
  `imageSets: [${names.map((name) => `{ name: ${name}, images: [x.io/${name}] }`).join(', ')}]`;

export const team = { labels: { 'stevedore.dev/image-sets': 'true' } };
