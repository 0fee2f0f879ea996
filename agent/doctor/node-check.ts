/** The runtime, the image filesystem and the state folder. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { PruneSettings } from '../core/configuration.ts';
import type { Tell } from '../core/doctor-report.ts';
import { errorMessage, Failure } from '../core/failure.ts';
import type { ImageFilesystem } from '../core/node-images.ts';
import { toReadableSize } from '../core/readable-size.ts';
import { watermarkRatio } from '../core/watermark.ts';
import type { Runtime, RuntimeInfo } from '../runtime/runtime.ts';

export interface ConnectedRuntime {
  readonly runtime: Runtime;
  readonly info: RuntimeInfo;
}

export async function checkRuntime(
  connect: (signal: AbortSignal) => Promise<ConnectedRuntime>,
  tell: Tell,
  signal: AbortSignal,
): Promise<ConnectedRuntime | undefined> {
  const check = 'runtime' as const;
  try {
    const connected = await connect(signal);
    const { name, version, kind, snapshotter, capabilities } = connected.info;
    const missing = Object.entries(capabilities).flatMap(([capability, has]) => (has ? [] : [capability]));
    const without = missing.length === 0 ? '' : `; does without ${missing.join(', ')}`;
    const adapter = kind === name ? '' : `, spoken to as ${kind}`;
    tell({ check, level: 'ok', message: `${name} ${version}, ${snapshotter}${adapter}${without}` });
    return connected;
  } catch (error) {
    signal.throwIfAborted();
    tell({
      check,
      level: 'failure',
      message: errorMessage(error),
      advice: "mount the runtime's socket, or name it by --endpoint",
    });
    return undefined;
  }
}

/**
 * Where the disk stands against the watermarks of the configuration.
 * @param prune undefined: there is no configuration
 */
export function checkFilesystem(
  filesystem: ImageFilesystem | undefined,
  prune: Pick<PruneSettings, 'watermarks' | 'enabled'> | undefined,
  tell: Tell,
): void {
  const check = 'image_filesystem' as const;
  if (filesystem === undefined) {
    tell({
      check,
      level: 'warning',
      message: 'the image filesystem cannot be seen: no pull waits for room, and nothing is pruned for space',
      advice: 'mount an empty folder on it read-only and name it by --image-filesystem',
    });
    return;
  }
  const { sizeBytes, availBytes, files, filesFree, mountpoint: subject } = filesystem;
  const usedBytes = sizeBytes <= 0 ? 0 : 1 - availBytes / sizeBytes;
  const usedFiles = files <= 0 ? 0 : 1 - filesFree / files;
  const room = `${percent(usedBytes)} used, ${toReadableSize(availBytes)} of ${toReadableSize(sizeBytes)} free`;
  if (prune === undefined) {
    tell({ check, level: 'ok', subject, message: `${room}; there is no configuration to say the watermarks` });
    return;
  }
  const { watermarks, enabled } = prune;
  const levels = (['low', 'high', 'critical'] as const).map((name) => ({
    name,
    ratio: watermarkRatio(filesystem, watermarks[name]),
    // Free space says nothing of inodes.
    countsFiles: watermarks[name].kind === 'used',
  }));
  const marks = levels.map(({ name, ratio }) => `${name} ${percent(ratio)}`).join(', ');
  const crossed = levels.findLast(({ ratio, countsFiles }) => usedBytes > ratio || (countsFiles && usedFiles > ratio));
  const inodes = usedFiles > usedBytes ? `, ${percent(usedFiles)} of the inodes used` : '';
  const message = `${room}${inodes} (${marks})`;
  if (crossed === undefined || crossed.name === 'low') tell({ check, level: 'ok', subject, message });
  else {
    tell({
      check,
      level: crossed.name === 'critical' ? 'failure' : 'warning',
      subject,
      message: `${message}: above ${crossed.name}`,
      advice: enabled
        ? 'see what `stevedore prune --dry-run` can free, and what keeps the rest'
        : 'pruning is off (prune.enabled)',
    });
  }
}

export async function checkStateFolder(path: string, tell: Tell): Promise<void> {
  const about = { check: 'state_folder', subject: path } as const;
  try {
    const found = await stat(path);
    if (!found.isDirectory()) throw new Failure('other', 'is not a folder');
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const mode = found.mode & 0o777;
    if ((mode & 0o077) === 0)
      return tell({ ...about, level: 'ok', message: `can be written, mode ${mode.toString(8)}` });
    tell({
      ...about,
      level: 'warning',
      message: `has mode ${mode.toString(8)}: others than its owner can look into it`,
      advice: `chmod 0700 ${path}`,
    });
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    tell({
      ...about,
      level: isMissing ? 'warning' : 'failure',
      message: isMissing ? 'is not there yet: no agent has run with it' : errorMessage(error),
      advice: isMissing
        ? 'start the agent, or name its folder by --state-dir'
        : 'the agent needs it for itself, to read and write',
    });
  }
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}
