/** What the agent knows of its own node: the parts of a Kubernetes Node that its decisions depend on. */

import type { Labels } from './label-selector.ts';

export interface NodeTaint {
  readonly key: string;
  readonly value: string | undefined;
  readonly effect: string;
}

export interface NodeCondition {
  readonly type: string;
  /** `True`, `False` or `Unknown`; the API server does not check it. */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** Epoch ms; undefined: not told. */
  readonly lastHeartbeatAt: number | undefined;
  readonly lastTransitionAt: number | undefined;
}

export interface NodeState {
  readonly name: string;
  /** Another one when the Node was deleted and made again; empty without Kubernetes. */
  readonly uid: string;
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly NodeTaint[];
  readonly unschedulable: boolean;
  readonly conditions: readonly NodeCondition[];
  /** `status.nodeInfo.containerRuntimeVersion`: `containerd://1.7.24`; undefined: not told. */
  readonly containerRuntimeVersion: string | undefined;
}

/** A node without Kubernetes has labels, and nothing that holds it back. */
export function standaloneNode(name: string, labels: Labels): NodeState {
  return {
    name,
    uid: '',
    labels,
    annotations: {},
    taints: [],
    unschedulable: false,
    conditions: [],
    containerRuntimeVersion: undefined,
  };
}
