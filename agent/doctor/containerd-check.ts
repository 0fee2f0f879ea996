/** `config_path` of containerd's CRI plugin, and its colon trap. */

import type { Tell } from '../core/doctor-report.ts';
import { type ContainerdConfig, isAtLeast, parseVersion } from './containerd-config.ts';
import type { HostFiles } from './host-files.ts';

/** Of containerd 2.2 on, where neither `config_path` nor mirrors are set. */
const defaultList = '/etc/containerd/certs.d:/etc/docker/certs.d';

/**
 * Since containerd 2.1 the CRI plugin pulls through the transfer service, which takes `config_path` for one folder; 2.2's default is two, joined
 * by a colon. Then no hosts.toml counts (containerd 2.3.4, containerd#12415).
 * @returns the folders that it names, whether they count or not
 */
export async function checkConfigPath(
  { file: subject, configPath, hasMirrors, usesLocalPull }: ContainerdConfig,
  version: string,
  files: HostFiles,
  tell: Tell,
): Promise<readonly string[]> {
  const check = 'containerd_config' as const;
  const hasDefault = isAtLeast(parseVersion(version), [2, 2]) && !hasMirrors;
  const path = configPath ?? (hasDefault ? defaultList : undefined);
  if (path === undefined) {
    tell({ check, level: 'ok', subject, message: 'config_path is not set: no hosts.toml is used' });
    return [];
  }
  const folders = path.split(':').filter((folder) => folder !== '');
  const origin = configPath === undefined ? `config_path is not set, and so ${path}` : `config_path is ${path}`;
  if (usesLocalPull || !path.includes(':')) {
    tell({ check, level: 'ok', subject, message: origin });
    return folders;
  }
  const trap = `${origin}, a list, which containerd ${version} takes for one folder`;
  const used = await findUsed(files, folders);
  if (used === undefined) {
    tell({ check, level: 'ok', subject, message: `${trap}: no hosts.toml would count, but there is none` });
    return folders;
  }
  tell({
    check,
    level: 'failure',
    subject,
    message: `${trap}: nothing below ${used} counts, neither mirrors nor their authorities`,
    advice: `set config_path = "${used}" or use_local_image_pull = true in the plugin io.containerd.cri.v1.images, and restart containerd`,
  });
  return folders;
}

/** The first folder with anything in it. */
async function findUsed(files: HostFiles, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    if (((await files.list(folder)) ?? []).length > 0) return folder;
  }
  return undefined;
}
