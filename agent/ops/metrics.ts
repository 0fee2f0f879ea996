import { collectDefaultMetrics, Registry } from 'prom-client';
import type { HarborRecorder } from '../work/harbor-recorder.ts';
import type { Recorder } from '../work/recorder.ts';
import type { BuildInfo } from './build-info.ts';
import { createClusterRecorder, defineClusterMetrics, initialiseClusterMetrics } from './cluster-metrics.ts';
import { createHarborRecorder, defineHarborMetrics, initialiseHarborMetrics } from './harbor-metrics.ts';
import { defineMetrics } from './metric-definitions.ts';
import { initialise } from './metric-initial-values.ts';
import { createRecorder } from './metrics-recorder.ts';

export interface Metrics extends Recorder, HarborRecorder {
  /** Of what `render` returns: the Prometheus text format. */
  readonly contentType: string;
  render(): Promise<string>;
}

/** Builds the metrics on a registry of their own: two agents in one process do not meet. */
export function createMetrics(build: BuildInfo): Metrics {
  const registry = new Registry();
  addProcessMetrics(registry);
  const metrics = defineMetrics(registry);
  initialise(metrics);
  const clusterMetrics = defineClusterMetrics(registry);
  initialiseClusterMetrics(clusterMetrics);
  const harborMetrics = defineHarborMetrics(registry);
  initialiseHarborMetrics(harborMetrics);
  const { version, revision, nodeVersion } = build;
  metrics.buildInfo.set({ version, revision, node_version: nodeVersion }, 1);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    ...createRecorder(metrics),
    ...createClusterRecorder(clusterMetrics),
    ...createHarborRecorder(harborMetrics),
  };
}

/** A day: longer than the timer that it sets is wanted to sleep. */
const neverMs = 86_400_000;

/**
 * prom-client's metrics of the process and of Node, but for the three whose names break the naming rules (gauges called
 * `_total`), and for the event loop's delay percentiles, whose 10 ms timer costs an idle process more CPU than all the
 * rest (measured with prom-client 15.1 on Node 24). `nodejs_eventloop_lag_seconds`, taken at each scrape, stays.
 */
function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: neverMs });
  for (const name of ['handles', 'requests', 'resources']) {
    register.removeSingleMetric(`nodejs_active_${name}_total`);
  }
  for (const name of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    register.removeSingleMetric(`nodejs_eventloop_lag_${name}_seconds`);
  }
}
