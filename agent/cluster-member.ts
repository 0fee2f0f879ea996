/** What makes an agent a member of a Kubernetes cluster: part of the composition root, built where the settings name a cluster. */

import { createClusterAccess } from './cluster/access.ts';
import type { Cluster, ResolvedConfigMap } from './cluster/cluster.ts';
import { createCluster } from './cluster/kubernetes.ts';
import { parseConfiguration } from './config/load.ts';
import { parseTeamConfiguration } from './config/team-configuration.ts';
import type { Configuration } from './core/configuration.ts';
import type { Logger } from './core/logger.ts';
import type { Announce } from './core/node-event.ts';
import type { Metrics } from './ops/metrics.ts';
import { createApiDispatcher } from './registry/api-dispatcher.ts';
import type { ClusterSettings, Settings } from './settings.ts';
import { Announcer } from './work/announcer.ts';
import { ClusterInputs } from './work/cluster-inputs.ts';
import { Gate } from './work/gate.ts';
import { createGateStore } from './work/gate-store.ts';
import { createLastGoodReader, createLastGoodStore, type LastGoodStore } from './work/last-good.ts';
import type { NodeInputs } from './work/node-inputs.ts';
import { NodeReporter } from './work/node-reporter.ts';
import { PolicyTest } from './work/policy-test.ts';
import { PullSlots } from './work/pull-slots.ts';
import type { Looked } from './work/reconciler-parts.ts';
import type { Trigger } from './work/trigger.ts';

export interface ClusterMember {
  readonly cluster: Cluster;
  readonly slots: PullSlots;
  readonly announce: Announce;
  /** From then on gated images wait for neither slot nor spread, epoch ms; undefined: the gate holds nothing. */
  gatedGoAt(): number | undefined;
  onConfiguration(configuration: Configuration): void;
  onLooked(looked: Looked): void;
  onOutdated(): void;
  /** Watches, tells, gates and shares slots until the signal fires. `stateDir` undefined: there is no state folder. */
  run(
    inputs: NodeInputs,
    onResolved: (configMaps: readonly ResolvedConfigMap[]) => void,
    stateDir: string | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  /** Configuration and Node once, for one look or one round; writes nothing. @throws Failure where they do not suffice to begin */
  readInputs(inputs: NodeInputs, signal: AbortSignal): Promise<void>;
}

export interface ClusterMemberParts {
  readonly trigger: Trigger;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** @throws Failure `other` in words for a user: no pod, no such kubeconfig */
export async function createClusterMember(
  settings: Settings & { readonly cluster: ClusterSettings },
  { trigger, metrics, log }: ClusterMemberParts,
  signal: AbortSignal,
): Promise<ClusterMember> {
  const { nodeName, kubeconfig, namespace, configMap, gateTaint } = settings.cluster;
  const access = await createClusterAccess({ kubeconfig, connect: createApiDispatcher }, signal);
  const cluster = createCluster(access, {
    nodeName,
    namespace,
    configMap,
    log,
    onRequest: metrics.clusterRequest,
    onHeard: () => metrics.clusterContact(Date.now()),
    onWatchRestarted: metrics.clusterWatchRestarted,
  });
  const announcer = new Announcer({ cluster, recorder: metrics, log });
  const reporter = new NodeReporter({ cluster, log });
  const policyTest = new PolicyTest({ cluster, recorder: metrics, log });
  const slots = new PullSlots({ cluster, nodeName, recorder: metrics, log, onChange: () => trigger.fire() });
  let gate: Gate | undefined;
  let gateSettings: Configuration['gate'] | undefined;

  function createInputs(inputs: NodeInputs, store: LastGoodStore | undefined): ClusterInputs {
    const { announce } = announcer;
    const parsers = { main: parseConfiguration, team: parseTeamConfiguration };
    return new ClusterInputs({
      inputs,
      nodeName,
      namespace,
      configMap,
      parsers,
      store,
      announce,
      recorder: metrics,
      log,
    });
  }

  function createGate(stateDir: string | undefined): Gate | undefined {
    if (gateTaint === undefined) return undefined;
    const store = stateDir === undefined ? undefined : createGateStore(stateDir, log);
    const { announce } = announcer;
    const onHeld = (): void => trigger.fire();
    return new Gate({ taintKey: gateTaint, cluster, store, recorder: metrics, announce, onHeld, log });
  }

  return {
    cluster,
    slots,
    announce: announcer.announce,
    gatedGoAt: () => gate?.gatedGoAt,
    onConfiguration: (configuration) => {
      gateSettings = configuration.gate;
      gate?.setSettings(configuration.gate);
    },
    onLooked: ({ sets }) => {
      announcer.update(sets);
      reporter.update(sets);
      gate?.setSets(sets);
    },
    onOutdated: () => gate?.setSets(undefined),

    async run(inputs, onResolved, stateDir, running) {
      const source = createInputs(inputs, stateDir === undefined ? undefined : createLastGoodStore(stateDir, log));
      await source.load();
      gate = createGate(stateDir);
      if (gateSettings !== undefined) gate?.setSettings(gateSettings);
      const { handlers } = source;
      const watching = cluster.watch(
        {
          onNode: (node) => {
            // Before the look that follows from it: what is told is compared with what the Node has.
            for (const teller of [announcer, reporter, policyTest]) teller.node(node);
            if (node !== undefined) gate?.setNode(node);
            handlers.onNode(node);
          },
          onConfigMaps: handlers.onConfigMaps,
          onResolved,
          onContact: (live, problem) => {
            metrics.clusterUp(live);
            policyTest.contact(live);
            handlers.onContact(live, problem);
          },
        },
        running,
      );
      const loops = [source, announcer, reporter, policyTest, slots, ...(gate === undefined ? [] : [gate])];
      try {
        await Promise.all([watching, ...loops.map((loop) => loop.run(running))]);
      } finally {
        await source.flush();
      }
    },

    async readInputs(inputs, asking) {
      const source = createInputs(inputs, createLastGoodReader(settings.stateDir, log));
      await source.load();
      await source.readOnce(cluster, asking);
    },
  };
}
