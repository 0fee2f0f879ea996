/** What the kubelet goes by when it collects images and evicts pods: its command line, its configuration and the drop-ins after it. */

import { join } from 'node:path';
import { parse } from 'yaml';
import { errorMessage } from '../core/failure.ts';
import type { HostFiles } from './host-files.ts';
import { findArguments, findOption } from './host-processes.ts';
import { asTable, mergeTables, type Table } from './tables.ts';

export interface KubeletSettings {
  /** Where they are from. */
  readonly source: string;
  /** Percent used at which the image collection begins. */
  readonly highPercent: number;
  /** By signal: `imagefs.available` to `15%` or `10Gi`. */
  readonly evictionHard: Readonly<Record<string, string>>;
  /** `imageMaximumGCAge` as written; undefined: images are not collected by age. */
  readonly maximumAge: string | undefined;
}

interface Place {
  /** Undefined: drop-ins only. */
  readonly file?: string;
  readonly folder?: string;
}

/** Where kubeadm, EKS, AKS, k3s and RKE2 keep it, for a kubelet whose command line cannot be seen. */
const places: readonly Place[] = [
  { file: '/var/lib/kubelet/config.yaml' },
  { file: '/etc/kubernetes/kubelet/config.json', folder: '/etc/kubernetes/kubelet/config.json.d' },
  { file: '/etc/kubernetes/kubelet/kubelet-config.json' },
  { file: '/etc/default/kubeletconfig.json' },
  { folder: '/var/lib/rancher/k3s/agent/etc/kubelet.conf.d' },
  { folder: '/var/lib/rancher/rke2/agent/etc/kubelet.conf.d' },
];

/** KubeletConfiguration v1beta1's defaults, of what concerns disks. */
const defaultHighPercent = 85;
const defaultEviction: Readonly<Record<string, string>> = {
  'nodefs.available': '10%',
  'imagefs.available': '15%',
};

/** Undefined: there is no kubelet that could be found. @throws Error naming the file that cannot be read */
export async function readKubeletSettings(files: HostFiles): Promise<KubeletSettings | undefined> {
  const [commandLine] = await findArguments(files, 'kubelet');
  if (commandLine === undefined) {
    for (const place of places) {
      const found = await readPlace(files, place);
      if (found !== undefined) return toSettings(found.source, found.documents, []);
    }
    return undefined;
  }
  const file = findOption(commandLine, '--config');
  const folder = findOption(commandLine, '--config-dir');
  const found = await readPlace(files, {
    ...(file === undefined ? {} : { file }),
    ...(folder === undefined ? {} : { folder }),
  });
  return toSettings(found?.source ?? "the kubelet's command line", found?.documents ?? [], commandLine);
}

/** Drop-ins end in `.conf` and count in the order of their names. */
async function readPlace(files: HostFiles, { file, folder }: Place) {
  const dropIns =
    folder === undefined ? [] : ((await files.list(folder)) ?? []).filter((name) => name.endsWith('.conf'));
  const paths = [...(file === undefined ? [] : [file]), ...dropIns.toSorted().map((name) => join(folder ?? '', name))];
  const read: { readonly path: string; readonly document: Table }[] = [];
  for (const path of paths) {
    const text = await files.read(path);
    if (text !== undefined) read.push({ path, document: parseDocument(path, text) });
  }
  const [first] = read;
  if (first === undefined) return undefined;
  const source = read.length === 1 ? first.path : `${first.path} and ${read.length - 1} more`;
  return { source, documents: read.map(({ document }) => document) };
}

function parseDocument(path: string, text: string): Table {
  try {
    return asTable(parse(text));
  } catch (error) {
    throw new Error(`${path}: ${errorMessage(error).split('\n', 1)[0]}`);
  }
}

/** A later document wins, inside maps key by key; a flag wins over all of them. */
function toSettings(source: string, documents: readonly Table[], commandLine: readonly string[]): KubeletSettings {
  const fields: Table = mergeTables(documents);
  const written = documents.flatMap(({ evictionHard }) => (evictionHard === undefined ? [] : [asTable(evictionHard)]));
  const highFlag = Number(findOption(commandLine, '--image-gc-high-threshold') ?? Number.NaN);
  const evictionFlag = findOption(commandLine, '--eviction-hard');
  const high = fields['imageGCHighThresholdPercent'];
  const age = fields['imageMaximumGCAge'];
  // What is written replaces the defaults as a whole, unless it is asked to be merged with them.
  const base = written.length === 0 || fields['mergeDefaultEvictionSettings'] === true ? [defaultEviction] : [];
  const eviction: Table = mergeTables([...base, ...written]);
  return {
    source,
    highPercent: Number.isNaN(highFlag) ? (typeof high === 'number' ? high : defaultHighPercent) : highFlag,
    evictionHard:
      evictionFlag === undefined
        ? Object.fromEntries(Object.entries(eviction).map(([signal, value]) => [signal, String(value)]))
        : parseEvictionFlag(evictionFlag),
    maximumAge: typeof age === 'string' && /[1-9]/.test(age) ? age : undefined,
  };
}

/** `imagefs.available<15%,nodefs.available<1Gi` */
function parseEvictionFlag(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').flatMap((one) => {
      const [signal, value] = one.split('<');
      return signal === undefined || value === undefined ? [] : [[signal.trim(), value.trim()] as const];
    }),
  );
}
