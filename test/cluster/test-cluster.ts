/** What the scenarios need of a cluster: an API server with the manifests on it, whichever it is. */

import type { ApiClient, ApiEndpoint } from './api-client.ts';

/** Of the manifests: the policy is for this account. */
export const namespace = 'stevedore';
export const policyName = 'stevedore-own-node';
/** Every object that a test makes under a name of its own begins with it. */
export const ownPrefix = 'stevedore-test-';

export interface TestCluster {
  readonly endpoint: ApiEndpoint;
  /** For those who may do everything. */
  readonly adminEndpoint: ApiEndpoint;
  /** Undefined: the endpoint knows who asks. */
  readonly adminToken: string | undefined;
  readonly admin: ApiClient;
  /** A token of the agent's account in a Pod on this node; undefined: one that is bound to nothing. */
  issueToken(node: string | undefined): Promise<string>;
  /** From some time on the tokens that were issued for the node are refused; watches that are open go on. */
  revokeTokens(node: string): Promise<void>;
  /** Text for `--kubeconfig`. */
  kubeconfig(user: { readonly token: string } | { readonly tokenFile: string }): string;
  /** Whether the admission policy is bound. */
  bindPolicy(isBound: boolean): Promise<void>;
  /** All that the tests have made is gone. */
  remove(): Promise<void>;
}

/** @param cluster as a kubeconfig has it */
export function toKubeconfig(
  cluster: Readonly<Record<string, unknown>>,
  user: { readonly token: string } | { readonly tokenFile: string },
): string {
  const name = 'test';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
