/** Says in a test's own name why it cannot run here; in CI that is a failure instead. */

import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

/** `root`: containers and mounts. `loop`: the kernel's loop devices. */
export type Need =
  | 'root'
  | 'loop'
  | 'mkfs.ext4'
  | 'containerd'
  | 'dockerd'
  | 'docker-registry'
  | 'openssl'
  | 'promtool'
  | 'runc';

/** What `startContainerd`, `startDockerd`, `startRegistry` and `mountSmallDisk` need. */
export const needs = {
  containerd: ['root', 'containerd', 'runc'],
  dockerd: ['root', 'dockerd', 'containerd', 'runc'],
  registry: ['docker-registry'],
  smallDisk: ['root', 'loop', 'mkfs.ext4'],
} as const satisfies Record<string, readonly Need[]>;

/** `describe`, skipped where something is missing. @throws Error in CI (`CI=true`) instead of skipping */
export function describeWith(required: readonly Need[], name: string, body: () => void): void {
  const lacking = [...new Set(required)].filter((need) => !isThere(need));
  if (lacking.length === 0) {
    describe(name, body);
    return;
  }
  const reason = lacking.map((need) => words[need as keyof typeof words] ?? `${need} is not installed`).join(', ');
  if (['1', 'true'].includes((process.env['CI'] ?? '').toLowerCase())) throw new Error(`${name} cannot run: ${reason}`);
  describe.skip(`${name} (not run: ${reason})`, body);
}

const words = { root: 'not root', loop: 'no loop devices' } as const;

function isThere(need: Need): boolean {
  if (need === 'root') return process.getuid?.() === 0;
  if (need === 'loop') return existsSync('/dev/loop-control');
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => isExecutable(join(folder, need)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
