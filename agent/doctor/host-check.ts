/** What only the host's own files show. */

import type { PruneSettings } from '../core/configuration.ts';
import type { DoctorCheck, Tell } from '../core/doctor-report.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import type { RuntimeInfo } from '../runtime/runtime.ts';
import { checkConfigPath } from './containerd-check.ts';
import { isAtLeast, parseVersion, readContainerdConfig } from './containerd-config.ts';
import { checkContentStore } from './content-store-check.ts';
import { checkDecompressor } from './decompressor-check.ts';
import { attempt } from './doctor.ts';
import { createHostFiles, type HostFiles } from './host-files.ts';
import { checkKubelet } from './kubelet-check.ts';
import { checkMirrors } from './mirror-check.ts';

const runtimeChecks = ['containerd_config', 'registry_mirrors', 'decompressor', 'content_store'] as const;

/** Docker 28 and newer, where containerd keeps its images. */
const dockerFolder = '/etc/docker/certs.d';

export interface HostCheckParts {
  /** Where the host's root filesystem is mounted; undefined: nowhere. */
  readonly root: string | undefined;
  /** Undefined: no runtime was found. */
  readonly info: RuntimeInfo | undefined;
  readonly filesystem: ImageFilesystem | undefined;
  /** Undefined: there is no configuration. */
  readonly prune: Pick<PruneSettings, 'enabled' | 'watermarks'> | undefined;
}

export async function checkHost(parts: HostCheckParts, tell: Tell, signal: AbortSignal): Promise<void> {
  const { root, info, filesystem, prune } = parts;
  const skip = (checks: readonly DoctorCheck[], message: string, advice?: string): void => {
    for (const check of checks)
      tell({ check, level: 'not_checked', message, ...(advice === undefined ? {} : { advice }) });
  };
  if (root === undefined) {
    const advice = 'mount the root of the host read-only and name it by --host-root';
    return skip(['kubelet', ...runtimeChecks], "only the host's own files show it", advice);
  }
  const files = createHostFiles(root);
  if ((await files.list('/etc')) === undefined) {
    return skip(['kubelet', ...runtimeChecks], `${root} is not the root of a host: there is no /etc in it`);
  }
  if (prune === undefined) skip(['kubelet'], 'there is no configuration to compare its thresholds with');
  else {
    // containerd 1.6 keeps pins, but its CRI does not tell the kubelet of them.
    const canPin = info?.capabilities.pin === true && isAtLeast(parseVersion(info.version), [1, 7]);
    await attempt({ check: 'kubelet' }, tell, signal, () => checkKubelet(files, { filesystem, prune, canPin }, tell));
  }
  if (info === undefined) return skip(runtimeChecks, 'no runtime was found, so what it looks for is not known');
  if (info.name === 'containerd') await checkContainerd(files, info, tell, signal);
  else {
    const message = `${info.name} does not read containerd's configuration`;
    tell({ check: 'containerd_config', level: 'ok', message });
    if (info.name === 'docker' && info.imageStore === 'containerd') {
      await attempt({ check: 'registry_mirrors' }, tell, signal, () => checkMirrors(files, [dockerFolder], tell));
    } else tell({ check: 'registry_mirrors', level: 'ok', message: `${info.name} does not read hosts.toml files` });
    const { imageRoot } = info;
    if (imageRoot === undefined) skip(['content_store'], 'the runtime does not say where it keeps images');
    else await attempt({ check: 'content_store' }, tell, signal, () => checkContentStore(files, imageRoot, tell));
  }
  await attempt({ check: 'decompressor' }, tell, signal, () => checkDecompressor(files, info, tell));
}

async function checkContainerd(files: HostFiles, info: RuntimeInfo, tell: Tell, signal: AbortSignal): Promise<void> {
  const { version, imageRoot } = info;
  await attempt({ check: 'containerd_config' }, tell, signal, async () => {
    const config = await readContainerdConfig(files, parseVersion(version), imageRoot);
    const folders = await checkConfigPath(config, version, files, tell);
    await attempt({ check: 'registry_mirrors' }, tell, signal, () => checkMirrors(files, folders, tell));
    await attempt({ check: 'content_store' }, tell, signal, () => checkContentStore(files, config.root, tell));
  });
}
