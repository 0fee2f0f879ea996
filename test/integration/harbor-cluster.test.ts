/** Agents as processes in a cluster with a Harbor: real runtimes, the Harbor of the tests, and the API server of the tests. */

import { startInProcessCluster } from '../cluster/in-process-cluster.ts';
import { coordinatorScenarios } from '../cluster/scenarios/coordinator.ts';
import { useStage } from '../cluster/stage.ts';
import { describeWith, needs } from '../harness/needs.ts';

describeWith([...needs.containerd, ...needs.registry, 'openssl'], 'in a cluster with a Harbor', () => {
  coordinatorScenarios(useStage('containerd', startInProcessCluster));
});
