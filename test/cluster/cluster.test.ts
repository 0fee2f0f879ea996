/** The agent and its manifests on the real API server of KUBECONFIG: `npm run test:cluster`. */

import { describe } from 'vitest';
import { describeWith, needs } from '../harness/needs.ts';
import { manifestScenarios } from './manifests-suite.ts';
import { startRealCluster } from './real-cluster.ts';
import { coordinatorScenarios, slowCoordinatorScenarios } from './scenarios/coordinator.ts';
import { gateScenarios } from './scenarios/gate.ts';
import { holdScenarios } from './scenarios/holds.ts';
import { permissionScenarios } from './scenarios/permissions.ts';
import { publishingScenarios } from './scenarios/publishing.ts';
import { slotScenarios, slowSlotScenarios } from './scenarios/slots.ts';
import { uninstallScenarios } from './scenarios/uninstall.ts';
import { watchingScenarios } from './scenarios/watching.ts';
import { useStage } from './stage.ts';

describeWith([...needs.containerd, ...needs.registry], 'on a real API server', () => {
  const stage = useStage('containerd', startRealCluster);
  describe('manifests', () => manifestScenarios(stage));
  describe('watching', () => watchingScenarios(stage));
  describe('gate', () => gateScenarios(stage));
  describe('holds', () => holdScenarios(stage));
  describe('slots', () => {
    slotScenarios(stage);
    slowSlotScenarios(stage);
  });
  describe('coordinator', () => {
    coordinatorScenarios(stage);
    slowCoordinatorScenarios(stage);
  });
  describe('publishing', () => publishingScenarios(stage));
  describe('permissions', () => permissionScenarios(stage));
  describe('uninstall', () => uninstallScenarios(stage));
});
