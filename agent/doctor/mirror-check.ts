/** The hosts.toml files of containerd's mirrors (containerd 1.6 to 2.4, `docs/hosts.md`). */

import { join, resolve } from 'node:path';
import type { Tell } from '../core/doctor-report.ts';
import { errorMessage } from '../core/failure.ts';
import { parseToml } from './containerd-config.ts';
import type { HostFiles } from './host-files.ts';
import { asTable, type Table, textsOf } from './tables.ts';

const check = 'registry_mirrors' as const;

export async function checkMirrors(files: HostFiles, folders: readonly string[], tell: Tell): Promise<void> {
  let count = 0;
  for (const folder of folders) {
    for (const host of ((await files.list(folder)) ?? []).toSorted()) {
      const path = join(folder, host, 'hosts.toml');
      const text = await files.read(path);
      // An empty one counts as none.
      if (text === undefined || text === '') continue;
      count += 1;
      await checkFile(files, path, text, tell);
    }
  }
  if (count > 0) return;
  const subject = folders.join(', ');
  const message = 'there is no hosts.toml: no mirrors';
  tell({ check, level: 'ok', ...(subject === '' ? {} : { subject }), message });
}

async function checkFile(files: HostFiles, subject: string, text: string, tell: Tell): Promise<void> {
  let table: Table;
  try {
    table = parseToml(subject, text);
  } catch (error) {
    tell({
      check,
      level: 'failure',
      subject,
      message: `is not TOML, and containerd ignores it: ${errorMessage(error).slice(subject.length + 2)}`,
      advice: 'mend it: until then pulls go to the registry itself',
    });
    return;
  }
  const server = typeof table['server'] === 'string' ? table['server'] : '';
  const hosts = Object.entries(asTable(table['host'])).map(([address, value]) => ({
    address,
    settings: asTable(value),
  }));
  let isFine = true;
  for (const { address, settings } of [...hosts, { address: server, settings: table }]) {
    const faults = [...toPathFault(address, settings), ...(await findCertificateFaults(files, subject, settings))];
    for (const [message, advice] of faults) {
      isFine = false;
      tell({ check, level: 'failure', subject, message, advice });
    }
  }
  if (!isFine) return;
  const addresses = [...hosts.map(({ address }) => address), ...(server === '' ? [] : [server])];
  const rest = server === '' ? ', then the registry itself' : '';
  tell({ check, level: 'ok', subject, message: `${addresses.join(', ') || 'no mirror'}${rest}` });
}

type Fault = readonly [message: string, advice: string];

/** An address with a path gets `/v2` appended to it where it does not end so, unless it says `override_path`. */
function toPathFault(address: string, settings: Table): readonly Fault[] {
  const text = /^https?:/.test(address) ? address : `https://${address}`;
  const path = address !== '' && URL.canParse(text) ? new URL(text).pathname.replace(/\/+$/, '') : '';
  if (path === '' || path.endsWith('/v2') || settings['override_path'] === true) return [];
  const message = `${address} has a path but no override_path = true: containerd appends /v2 to it, and Harbor answers with its web page`;
  return [[message, `add override_path = true below [host."${address}"]`]];
}

/** Relative ones begin at the file's folder. One that cannot be read ends every pull from that registry. */
async function findCertificateFaults(files: HostFiles, subject: string, { ca }: Table): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  for (const written of typeof ca === 'string' ? [ca] : textsOf(ca)) {
    const path = resolve(subject, '..', written);
    const text = await files.read(path);
    if (text?.includes('-----BEGIN CERTIFICATE-----') === true) continue;
    const what = text === undefined ? 'is not there' : 'holds no certificate in PEM';
    faults.push([`ca ${path} ${what}: containerd fails every pull that would use it`, 'put the certificate there']);
  }
  return faults;
}
