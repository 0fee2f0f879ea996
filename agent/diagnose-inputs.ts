/** Configuration and labels as the doctor reads them: where they are broken, that is a finding, and the last good ones count. */

import { loadLabels } from './cluster/standalone.ts';
import { loadConfigurationFile } from './config/file-source.ts';
import { parseConfiguration } from './config/load.ts';
import { parseTeamConfiguration } from './config/team-configuration.ts';
import type { Tell } from './core/doctor-report.ts';
import { standaloneNode } from './core/node-state.ts';
import type { Diagnosis } from './diagnose.ts';
import type { DiagnosedCluster } from './diagnose-cluster.ts';
import { tellConfiguration, tellMistakes } from './doctor/configuration-check.ts';
import { type ClusterSettings, toConfigurationSource, toLabelsSource } from './settings.ts';
import { ConfigMapTexts } from './work/config-map-texts.ts';
import { createLastGoodReader } from './work/last-good.ts';

/** `cluster` undefined: without Kubernetes. */
export async function readInputs(diagnosis: Diagnosis, cluster: DiagnosedCluster | undefined): Promise<void> {
  const { settings } = diagnosis;
  await diagnosis.run({
    check: 'configuration',
    run: (tell) =>
      settings.cluster === undefined
        ? readFiles(diagnosis, tell)
        : readConfigMaps(diagnosis, settings.cluster, cluster?.read, tell),
  });
}

async function readFiles(diagnosis: Diagnosis, tell: Tell): Promise<void> {
  const { settings, inputs } = diagnosis;
  const source = toConfigurationSource(settings);
  const loaded = await loadConfigurationFile(settings.configFile);
  if (loaded.ok) {
    diagnosis.configuration = loaded.configuration;
    tellConfiguration(loaded.configuration, source, tell);
    tellMistakes(loaded.warnings, source, 'warning', tell);
  } else tellMistakes(loaded.mistakes, source, 'failure', tell);
  const labels = await loadLabels(settings);
  if (labels.ok) inputs.acceptNode(standaloneNode(settings.nodeName, labels.labels));
  else tellMistakes(labels.mistakes, toLabelsSource(settings), 'failure', tell);
}

async function readConfigMaps(
  diagnosis: Diagnosis,
  { nodeName, namespace, configMap }: ClusterSettings,
  read: DiagnosedCluster['read'],
  tell: Tell,
): Promise<void> {
  const { settings, inputs, log } = diagnosis;
  const source = toConfigurationSource(settings);
  const texts = new ConfigMapTexts(namespace, configMap, { main: parseConfiguration, team: parseTeamConfiguration });
  const lastGood = await createLastGoodReader(settings.stateDir, log).load();
  const isOurs = lastGood?.nodeName === nodeName && lastGood.namespace === namespace;
  if (lastGood !== undefined && isOurs) texts.startFrom(lastGood);
  if (read !== undefined) texts.take(read.configMaps);
  const { configuration, warnings, mainMistakes = [], refusedTeams } = texts.look();
  diagnosis.configuration = configuration;
  tellMistakes(mainMistakes, source, 'failure', tell);
  for (const { source: team, mistakes } of refusedTeams) tellMistakes(mistakes, team, 'failure', tell);
  if (configuration !== undefined) {
    if (mainMistakes.length === 0) tellConfiguration(configuration, source, tell);
    tellMistakes(warnings, source, 'warning', tell);
  }
  if (configuration === undefined && mainMistakes.length === 0) {
    const message = 'could not be read, and nothing of earlier times is in the state folder';
    tell({ check: 'configuration', level: 'failure', subject: source, message });
  } else if (configuration !== undefined && (read === undefined || mainMistakes.length > 0)) {
    const message = 'the last good one, of the state folder, is what the other checks go by';
    tell({ check: 'configuration', level: 'warning', subject: source, message });
  }
  const node =
    read?.node ?? (isOurs && lastGood?.node !== undefined ? { ...lastGood.node, conditions: [] } : undefined);
  if (node !== undefined) inputs.acceptNode(node);
}
