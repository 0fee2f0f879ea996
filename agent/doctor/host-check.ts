/** What only the host's own files show. */

import type { PruneSettings } from '../core/configuration.ts';
import type { DoctorCheck, Tell } from '../core/doctor-report.ts';
import { errorMessage } from '../core/failure.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { RuntimeInfo } from '../runtime/runtime.ts';
import {
  checkConfigPath,
  checkContentStore,
  checkDecompressor,
  checkMirrors,
  readContainerdConfig,
} from './containerd-check.ts';
import { createHostFiles } from './host-files.ts';
import { checkKubelet } from './kubelet-check.ts';

const checks: readonly DoctorCheck[] = [
  'kubelet',
  'containerd_config',
  'registry_mirrors',
  'decompressor',
  'content_store',
];

export interface HostCheckParts {
  /** Where the host's root filesystem is mounted; undefined: nowhere. */
  readonly root: string | undefined;
  /** Undefined: no runtime was found. */
  readonly info: RuntimeInfo | undefined;
  readonly filesystem: ImageFilesystem | undefined;
  /** Undefined: there is no configuration. */
  readonly watermarks: PruneSettings['watermarks'] | undefined;
}

export async function checkHost({ root, info, filesystem, watermarks }: HostCheckParts, tell: Tell): Promise<void> {
  if (root === undefined) {
    const message = "only the host's own files show it";
    const advice = 'mount the root of the host read-only and name it by --host-root';
    for (const check of checks) tell({ check, level: 'not_checked', message, advice });
    return;
  }
  const files = createHostFiles(root);
  const attempt = async (check: DoctorCheck, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      const message = errorMessage(error).split('\n', 1)[0] ?? '';
      tell({ check, level: 'failure', message: `cannot be read: ${message}` });
    }
  };
  if (watermarks === undefined) {
    tell({
      check: 'kubelet',
      level: 'not_checked',
      message: 'there is no configuration to compare its thresholds with',
    });
  } else await attempt('kubelet', () => checkKubelet(files, filesystem, watermarks, tell));
  if (info === undefined) {
    const message = 'no runtime was found, so what it looks for is not known';
    for (const check of checks.slice(1)) tell({ check, level: 'not_checked', message });
    return;
  }
  const { name, version, imageRoot } = info;
  await attempt('decompressor', () => checkDecompressor(files, name, version, tell));
  if (name !== 'containerd') {
    for (const check of ['containerd_config', 'registry_mirrors'] as const) {
      tell({ check, level: 'ok', message: `the runtime is ${name}: no hosts.toml` });
    }
    if (imageRoot !== undefined) await attempt('content_store', () => checkContentStore(files, imageRoot, tell));
    else
      tell({ check: 'content_store', level: 'not_checked', message: 'the runtime does not say where it keeps images' });
    return;
  }
  await attempt('containerd_config', async () => {
    const config = (await readContainerdConfig(files)) ?? {
      configPath: undefined,
      root: '/var/lib/containerd',
      usesLocalPull: undefined,
    };
    const folder = checkConfigPath(config, version, tell);
    if (folder === undefined) tell({ check: 'registry_mirrors', level: 'ok', message: 'none: config_path is not set' });
    else await attempt('registry_mirrors', () => checkMirrors(files, folder, tell));
    await attempt('content_store', () => checkContentStore(files, config.root, tell));
  });
}
