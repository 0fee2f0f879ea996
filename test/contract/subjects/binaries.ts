import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Why a suite cannot run here; undefined when it can. In CI a missing daemon is an error, elsewhere it is said and the suite
 * is skipped.
 * @param bin folder that is searched before the path
 */
export function missingBinaries(names: readonly string[], bin: string | undefined): string | undefined {
  const folders = [
    ...(bin === undefined ? [] : [bin]),
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/sbin',
  ];
  const missing = names.filter((name) => !folders.some((folder) => isExecutable(join(folder, name))));
  const reasons = [
    ...(missing.length > 0 ? [`not installed: ${missing.join(', ')}`] : []),
    ...(process.getuid?.() === 0 ? [] : ['needs root']),
  ];
  if (reasons.length === 0) return undefined;
  const reason = reasons.join('; ');
  if (process.env['CI'] !== undefined) throw new Error(`this suite must run in CI, but: ${reason}`);
  process.stderr.write(`NOT RUN, ${reason}\n`);
  return reason;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
