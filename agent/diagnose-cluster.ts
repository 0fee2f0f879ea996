/** The API server as the doctor asks it: part of the composition root, which loads its client only in a cluster. */

import type { Cluster, ConfigMapObject } from './cluster/cluster.ts';
import { Failure } from './core/failure.ts';
import type { NodeState } from './core/node-state.ts';
import type { Diagnosis } from './diagnose.ts';
import { checkAccess, checkPolicy, toAccessQuestions } from './doctor/cluster-check.ts';

export interface DiagnosedCluster {
  /** Undefined: the API server did not say. */
  readonly read: { readonly node: NodeState; readonly configMaps: readonly ConfigMapObject[] } | undefined;
  checkRights(): Promise<void>;
  close(): Promise<void>;
}

const readTimeoutMs = 15_000;

/** Undefined without Kubernetes. */
export async function diagnoseCluster(diagnosis: Diagnosis): Promise<DiagnosedCluster | undefined> {
  const { settings, log, run } = diagnosis;
  if (settings.cluster === undefined) return undefined;
  const { nodeName, kubeconfig, namespace, configMap, gateTaint } = settings.cluster;
  let cluster: Cluster | undefined;
  let read: DiagnosedCluster['read'];
  let isAnswered = false;
  await run({
    check: 'api_server',
    timeoutMs: readTimeoutMs,
    run: async (tell, signal) => {
      const [{ createClusterAccess }, { createCluster }, { createApiDispatcher }] = await Promise.all([
        import('./cluster/access.ts'),
        import('./cluster/kubernetes.ts'),
        import('./registry/api-dispatcher.ts'),
      ]);
      const access = await createClusterAccess({ kubeconfig, connect: createApiDispatcher }, signal);
      cluster = createCluster(access, { nodeName, namespace, configMap, log });
      try {
        read = await cluster.read(signal);
        isAnswered = true;
        const message = `answers: Node ${nodeName} and the ConfigMaps of ${namespace} are read`;
        tell({ check: 'api_server', level: 'ok', message });
      } catch (error) {
        signal.throwIfAborted();
        const failure = Failure.from(error);
        isAnswered = !['network', 'timeout', 'tls'].includes(failure.code);
        tell({ check: 'api_server', level: 'failure', message: failure.message, ...toAdvice(failure) });
      }
    },
  });
  return {
    read,
    checkRights: async () => {
      const asked = cluster;
      if (asked === undefined || !isAnswered) {
        return diagnosis.skip(['api_permissions', 'node_policy'], 'the API server does not answer');
      }
      const { permissions } = await import('./cluster/permissions.ts');
      const questions = toAccessQuestions(permissions, { namespace, hasGate: gateTaint !== undefined });
      await run({
        check: 'api_permissions',
        run: (tell, signal) => checkAccess(asked, questions, tell, signal),
      });
      await run({ check: 'node_policy', run: (tell, signal) => checkPolicy(asked, tell, signal) });
    },
    close: async () => {
      await cluster?.close();
    },
  };
}

function toAdvice({ code }: Failure): { readonly advice?: string } {
  switch (code) {
    case 'network':
    case 'timeout':
      return {
        advice: 'look at the network between this node and the API server; the agent goes on with its last good',
      };
    case 'auth':
      return { advice: "look at the service account and at the manifests' RBAC" };
    case 'not_found':
      return { advice: 'see whether --node-name is the name of a Node of this cluster' };
    default:
      return {};
  }
}
