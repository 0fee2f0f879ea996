/** The faster gunzip that a runtime takes when it finds it on its own path (containerd 1.6 to 2.4, Docker 20.10 to 28). */

import type { Tell } from '../core/doctor-report.ts';
import type { RuntimeInfo } from '../runtime/runtime.ts';
import { isAtLeast, parseVersion } from './containerd-config.ts';
import type { HostFiles } from './host-files.ts';

const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const packages: Readonly<Record<string, string>> = { igzip: 'isal', unpigz: 'pigz' };

export async function checkDecompressor(
  files: HostFiles,
  { name: runtime, version }: Pick<RuntimeInfo, 'name' | 'version'>,
  tell: Tell,
): Promise<void> {
  const check = 'decompressor' as const;
  const wanted = programsOf(runtime, version);
  const [best] = wanted;
  if (best === undefined) {
    tell({ check, level: 'not_checked', message: `what ${runtime} unpacks layers with is not known` });
    return;
  }
  for (const program of wanted) {
    for (const folder of folders) {
      if (!(await files.exists(`${folder}/${program}`))) continue;
      const message = `${runtime} ${version} unpacks gzip layers with ${folder}/${program}, if it was there when ${runtime} started and is on its PATH`;
      tell({ check, level: 'ok', message });
      return;
    }
  }
  tell({
    check,
    level: 'warning',
    message: `${runtime} ${version} would unpack gzip layers with ${wanted.join(' or ')}, which is faster, and finds neither on the usual path`,
    advice: `install ${best} on the node (Debian: ${packages[best]}) and restart ${runtime}`,
  });
}

/** The first that is there counts. */
function programsOf(runtime: string, version: string): readonly string[] {
  if (runtime === 'docker') return ['unpigz'];
  if (runtime !== 'containerd') return [];
  return isAtLeast(parseVersion(version), [2, 0]) ? ['igzip', 'unpigz'] : ['unpigz'];
}
