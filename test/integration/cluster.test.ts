/** The agent as a process in a cluster: a real runtime and a real registry, and the API server of the tests. */

import { startInProcessCluster } from '../cluster/in-process-cluster.ts';
import { gateScenarios } from '../cluster/scenarios/gate.ts';
import { holdScenarios } from '../cluster/scenarios/holds.ts';
import { permissionScenarios } from '../cluster/scenarios/permissions.ts';
import { publishingScenarios } from '../cluster/scenarios/publishing.ts';
import { slotScenarios } from '../cluster/scenarios/slots.ts';
import { uninstallScenarios } from '../cluster/scenarios/uninstall.ts';
import { labelScenarios, watchingScenarios } from '../cluster/scenarios/watching.ts';
import { useStage } from '../cluster/stage.ts';
import { describeWith, needs } from '../harness/needs.ts';

describeWith([...needs.containerd, ...needs.registry, 'openssl'], 'in a cluster, on containerd', () => {
  const stage = useStage('containerd', startInProcessCluster);
  watchingScenarios(stage);
  gateScenarios(stage);
  holdScenarios(stage);
  slotScenarios(stage);
  publishingScenarios(stage);
  permissionScenarios(stage);
  uninstallScenarios(stage);
});

describeWith([...needs.dockerd, ...needs.registry, 'openssl'], 'in a cluster, on docker', () => {
  const stage = useStage('docker', startInProcessCluster);
  labelScenarios(stage);
});
