/** The composition root of `stevedore doctor`: builds the checks of this node and runs them one after the other. */

import { createCredentialStore } from './config/credential-files.ts';
import type { Configuration, CredentialSource } from './core/configuration.ts';
import type { Credential, ImageName } from './core/credentials.ts';
import { type DoctorCheck, type Finding, type Tell, toDoctorReport, type DoctorReport } from './core/doctor-report.ts';
import type { ImageReference } from './core/image-reference.ts';
import type { Logger } from './core/logger.ts';
import type { ImageFilesystem } from './core/node-images.ts';
import { diagnoseCluster } from './diagnose-cluster.ts';
import { readInputs } from './diagnose-inputs.ts';
import { diagnoseRegistries } from './diagnose-registries.ts';
import { type CheckGroup, runGroup } from './doctor/doctor.ts';
import { checkHost } from './doctor/host-check.ts';
import { checkFilesystem, checkRuntime, checkStateFolder } from './doctor/node-check.ts';
import { createFilesystemReader } from './runtime/disk.ts';
import { createRuntimeFinder } from './runtime-finder.ts';
import { type Settings, toConfigurationSource, toLabelsSource } from './settings.ts';
import { NodeInputs } from './work/node-inputs.ts';
import type { Connected } from './work/runtime-connection.ts';

export interface DoctorOptions {
  /** Where the host's root filesystem is mounted; undefined: nowhere. */
  readonly hostRoot: string | undefined;
  /** An image to pull; undefined: none. */
  readonly pull: ImageReference | undefined;
}

/** @param own the image set's, to be tried before the common ones */
export type CredentialsFor = (image: ImageName, own: readonly CredentialSource[]) => Promise<readonly Credential[]>;

/** What the checks learn of the node, one from the other. */
export interface Diagnosis {
  readonly settings: Settings;
  readonly log: Logger;
  readonly inputs: NodeInputs;
  readonly options: DoctorOptions;
  configuration: Configuration | undefined;
  connected: Connected | undefined;
  filesystem: ImageFilesystem | undefined;
  run(group: CheckGroup): Promise<void>;
  skip(checks: readonly DoctorCheck[], message: string): void;
}

/**
 * Looks at everything and changes nothing but what `--pull` asks for. Works without a configuration, a runtime and an API server.
 * @param onFinding gets each finding as it is made
 */
export async function diagnose(
  settings: Settings,
  { log }: { readonly log: Logger },
  options: DoctorOptions,
  onFinding: Tell,
  signal: AbortSignal,
): Promise<DoctorReport> {
  const findings: Finding[] = [];
  const tell: Tell = (finding) => {
    findings.push(finding);
    onFinding(finding);
  };
  const diagnosis: Diagnosis = {
    settings,
    log,
    inputs: createInputs(settings, log),
    options,
    configuration: undefined,
    connected: undefined,
    filesystem: undefined,
    run: (group) => runGroup(group, tell, signal),
    skip: (checks, message) => {
      for (const check of checks) tell({ check, level: 'not_checked', message });
    },
  };
  const cluster = await diagnoseCluster(diagnosis);
  try {
    await readInputs(diagnosis, cluster);
    await cluster?.checkRights();
    await diagnoseNode(diagnosis);
    await diagnoseRegistries(diagnosis, createCredentialStore(log));
  } finally {
    diagnosis.connected?.runtime.close();
    await cluster?.close();
  }
  return toDoctorReport(findings);
}

async function diagnoseNode(diagnosis: Diagnosis): Promise<void> {
  const { settings, log, inputs, options, run } = diagnosis;
  // Where nobody has told of the Node by now, nobody will: it is not waited for.
  const cluster = inputs.node === undefined ? undefined : settings.cluster;
  const finder = createRuntimeFinder({ ...settings, cluster }, inputs, { runtimeOperation: () => undefined }, log);
  await run({
    check: 'runtime',
    run: async (tell, signal) => {
      diagnosis.connected = await checkRuntime(finder.connect, tell, signal);
    },
  });
  await run({
    check: 'image_filesystem',
    run: async (tell) => {
      const { configuration, connected } = diagnosis;
      if (connected === undefined)
        return diagnosis.skip(['image_filesystem'], 'no runtime was found to say where it is');
      diagnosis.filesystem = await createFilesystemReader(settings.imageFilesystem, log)(connected.info);
      checkFilesystem(diagnosis.filesystem, configuration?.prune, tell);
    },
  });
  await run({ check: 'state_folder', run: (tell) => checkStateFolder(settings.stateDir, tell) });
  await run({
    check: 'containerd_config',
    run: (tell, signal) => {
      const { configuration, connected, filesystem } = diagnosis;
      const { hostRoot: root } = options;
      return checkHost({ root, info: connected?.info, filesystem, prune: configuration?.prune }, tell, signal);
    },
  });
}

/** Only holds what was read: nothing hears of it. */
function createInputs(settings: Settings, log: Logger): NodeInputs {
  const ignore = (): void => undefined;
  return new NodeInputs({
    configurationSource: toConfigurationSource(settings),
    labelsSource: toLabelsSource(settings),
    recorder: { configurationLoaded: ignore },
    log,
    onConfiguration: ignore,
    onNode: ignore,
    onProblem: ignore,
  });
}
