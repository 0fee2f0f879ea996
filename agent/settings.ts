/** The parsed command line and environment: where things are. What to do is the configuration's (core/configuration.ts). */

import type { Labels } from './core/label-selector.ts';
import type { RuntimeKind } from './runtime/runtime.ts';
import { toConfigMapSource } from './core/config-map-source.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface ClusterSettings {
  readonly nodeName: string;
  /** A kubeconfig file; undefined: the pod's service account. */
  readonly kubeconfig: string | undefined;
  /** Of the ConfigMaps and Leases. */
  readonly namespace: string;
  /** Holds the main configuration under the key `config.yaml`. */
  readonly configMap: string;
  /** The key of the startup taint that the agent removes; undefined: none. */
  readonly gateTaint: string | undefined;
}

export interface Settings {
  readonly configFile: string;
  /** From `--label` and STEVEDORE_LABELS; they win over the file's. */
  readonly labels: Labels;
  readonly labelsFile: string | undefined;
  /** The Node's in a cluster, else the host name. */
  readonly nodeName: string;
  /** Undefined: without Kubernetes. In a cluster the configuration and the labels come from the API server, not from `configFile` and `labels`. */
  readonly cluster: ClusterSettings | undefined;
  readonly runtime: RuntimeKind | 'auto';
  /** `unix:///run/containerd/containerd.sock`; undefined: look at the usual places. */
  readonly endpoint: string | undefined;
  /** A folder on the image filesystem, for its free space; undefined: where the runtime says that it keeps images. */
  readonly imageFilesystem: string | undefined;
  /** The agent's own image, as a runtime stores it (`harbor.example.com/stevedore/agent:1`): never removed. */
  readonly ownImage: string | undefined;
  readonly stateDir: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly logLevel: LogLevel;
}

/** Where the configuration is from, for messages. */
export function toConfigurationSource({ cluster, configFile }: Settings): string {
  return cluster === undefined ? configFile : toConfigMapSource(cluster.namespace, cluster.configMap);
}

/** Where the node's labels are from, for messages. */
export function toLabelsSource({ cluster, labelsFile }: Settings): string {
  return cluster === undefined ? (labelsFile ?? '--label') : `node ${cluster.nodeName}`;
}
