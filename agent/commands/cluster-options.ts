/** The options of an agent in Kubernetes. It is in a cluster when it is told its Node's name. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { labelKeyRule } from '../core/label-syntax.ts';
import type { ClusterSettings } from '../settings.ts';
import { UsageError } from './exit-codes.ts';
import { type FindGiven, fail, type Given, parseObjectName, parsePath } from './option-values.ts';

/** As commander hands them over: only what was written on the command line. */
export interface ClusterOptions {
  readonly nodeName?: string;
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly configMap?: string;
  readonly gateTaint?: string;
}

const defaultName = 'stevedore';

/** Where the kubelet mounts the account's token, CA and namespace ("Accessing the Kubernetes API from a Pod", Kubernetes documentation). */
const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

export function addClusterOptions(command: Command): Command {
  return command
    .option(
      '--node-name <name>',
      "the name of this machine's Node: labels and configuration then come from Kubernetes (default: without Kubernetes; env: STEVEDORE_NODE_NAME)",
    )
    .option(
      '--kubeconfig <file>',
      "how to reach the API server (default: the pod's service account; env: STEVEDORE_KUBECONFIG)",
    )
    .option(
      '--namespace <name>',
      `the namespace of ConfigMaps and Leases (default: the pod's, else ${defaultName}; env: STEVEDORE_NAMESPACE)`,
    )
    .option(
      '--config-map <name>',
      `the ConfigMap with the configuration, under the key config.yaml (default: ${defaultName}; env: STEVEDORE_CONFIG_MAP)`,
    )
    .option(
      '--gate-taint <key>',
      'the startup taint to remove once the sets with gate: true are here (default: none; env: STEVEDORE_GATE_TAINT)',
    );
}

/** Undefined without `--node-name`. @throws UsageError naming option or variable, value and rule, or what is missing */
export function parseCluster(
  options: ClusterOptions,
  find: FindGiven,
  environment: NodeJS.ProcessEnv,
  accountDir: string = serviceAccountDir,
): ClusterSettings | undefined {
  const nodeName = find('node-name', options.nodeName);
  const kubeconfig = find('kubeconfig', options.kubeconfig);
  const namespace = find('namespace', options.namespace);
  const configMap = find('config-map', options.configMap);
  const gateTaint = find('gate-taint', options.gateTaint);
  if (nodeName === undefined) {
    const useless = [kubeconfig, namespace, configMap, gateTaint].find((given) => given !== undefined);
    if (useless !== undefined) fail(useless, 'has an effect only in a cluster, that is with --node-name');
    return undefined;
  }
  const name = parseObjectName(nodeName);
  const isPod = kubeconfig === undefined;
  if (isPod && !environment['KUBERNETES_SERVICE_HOST']) {
    throw new UsageError(
      `${nodeName.name} ${JSON.stringify(name)}: the API server is not known: give --kubeconfig, or run in a pod (KUBERNETES_SERVICE_HOST is not set)`,
    );
  }
  return {
    nodeName: name,
    kubeconfig: isPod ? undefined : parsePath(kubeconfig, ''),
    namespace: namespace === undefined ? readNamespace(isPod, accountDir) : parseNamespace(namespace),
    configMap: configMap === undefined ? defaultName : parseObjectName(configMap),
    gateTaint: gateTaint === undefined ? undefined : parseTaintKey(gateTaint),
  };
}

/** In a cluster nothing else than Kubernetes says what the node's labels and the configuration are. @throws UsageError */
export function refuseFiles(given: readonly (Given | undefined)[]): void {
  const first = given.find((one) => one !== undefined);
  if (first === undefined) return;
  fail(first, 'has no effect with --node-name: in a cluster labels and configuration come from Kubernetes');
}

function readNamespace(isPod: boolean, accountDir: string): string {
  if (!isPod) return defaultName;
  try {
    return readFileSync(join(accountDir, 'namespace'), 'utf8').trim() || defaultName;
  } catch {
    // Without a mounted account the first request fails, and says more than could be said here.
    return defaultName;
  }
}

function parseNamespace(given: Given): string {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(given.value)) return given.value;
  return fail(given, 'must be a DNS label in lower case of at most 63 characters');
}

function parseTaintKey(given: Given): string {
  const rule = labelKeyRule(given.value);
  return rule === undefined ? given.value : fail(given, rule.replace('label key', 'taint key'));
}
