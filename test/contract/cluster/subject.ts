/** What the contract suite of the cluster port needs of whatever it runs on: the agent's side, and hands on the other. */

import type { Cluster, ClusterEvent } from '../../../agent/cluster/cluster.ts';
import type { NodeCondition, NodeState } from '../../../agent/core/node-state.ts';

/** What is left out stays as it is, or is empty in a new Node. */
export interface NodeChange {
  /** Null removes the label. */
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** The whole list. */
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  readonly unschedulable?: boolean;
  /** Set or added, by type. */
  readonly condition?: Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'> & {
    readonly lastHeartbeatAt: number;
  };
}

/** An operator with every right, who does not use the port. */
export interface ClusterAdmin {
  /** Makes the agent's Node. */
  createNode(change?: NodeChange): Promise<void>;
  changeNode(change: NodeChange): Promise<void>;
  /** Also when there is none. */
  deleteNode(): Promise<void>;
  node(): Promise<NodeState | undefined>;
  /** Made where there is none. */
  putConfigMap(
    name: string,
    data: Readonly<Record<string, string>>,
    labels?: Readonly<Record<string, string>>,
  ): Promise<void>;
  deleteConfigMap(name: string): Promise<void>;
  deleteLease(name: string): Promise<void>;
  /** About the agent's Node. */
  events(): Promise<readonly (ClusterEvent & { readonly uid: string })[]>;
}

export interface ClusterSubject {
  readonly nodeName: string;
  readonly namespace: string;
  /** The agent's own ConfigMap; there is none at first. */
  readonly configMap: string;
  readonly cluster: Cluster;
  /** The same agent without the right to write anything. */
  readonly readOnly: Cluster;
  readonly admin: ClusterAdmin;
  close(): Promise<void>;
}
