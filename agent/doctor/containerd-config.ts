/** containerd's configuration as it reads it itself: the file that its command line names, and what that imports. */

import { dirname, join, normalize, resolve } from 'node:path';
import picomatch from 'picomatch';
import { parse } from 'smol-toml';
import { errorMessage } from '../core/failure.ts';
import type { HostFiles } from './host-files.ts';
import { findArguments, findOption } from './host-processes.ts';
import { asTable, mergeDeep, type Table, textsOf } from './tables.ts';

export interface ContainerdConfig {
  /** The main file, whether it is there or not. */
  readonly file: string;
  /** Folders with a hosts.toml for each registry, as written, joined by colons; undefined: not set. */
  readonly configPath: string | undefined;
  /** The deprecated `registry.mirrors`: with it there is no default for `config_path`. */
  readonly hasMirrors: boolean;
  readonly root: string;
  /** The CRI plugin pulls by itself, which splits `config_path` at colons, and not through the transfer service. */
  readonly usesLocalPull: boolean;
}

interface Version {
  readonly major: number;
  readonly minor: number;
}

const defaultFile = '/etc/containerd/config.toml';
const defaultRoot = '/var/lib/containerd';

/** Of containerds whose command line cannot be seen, by where they keep images. */
const distributions: readonly { readonly below: string; readonly file: string }[] = [
  { below: '/var/lib/rancher/k3s/', file: '/var/lib/rancher/k3s/agent/etc/containerd/config.toml' },
  { below: '/var/lib/rancher/rke2/', file: '/var/lib/rancher/rke2/agent/etc/containerd/config.toml' },
  { below: '/var/lib/k0s/', file: '/etc/k0s/containerd.toml' },
  { below: '/var/snap/microk8s/', file: '/var/snap/microk8s/current/args/containerd.toml' },
];

/** Of configuration versions 1, 2 (containerd 1.5 to 1.7), and 3 and 4 (2.0 on), which also read the earlier ones. */
const imagePlugins = ['cri', 'io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images'];

const maxFiles = 100;

export function parseVersion(text: string): Version {
  const [major = 0, minor = 0] = text.replace(/^v/, '').split('.').map(Number);
  return { major, minor };
}

export function isAtLeast({ major, minor }: Version, least: readonly [major: number, minor: number]): boolean {
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

/**
 * @param imageRoot where the runtime says that it keeps images
 * @throws Error naming the file that cannot be read
 */
export async function readContainerdConfig(
  files: HostFiles,
  version: Version,
  imageRoot: string | undefined,
): Promise<ContainerdConfig> {
  const file = await findFile(files, imageRoot);
  // A later file wins. Until 2.1 it replaces what an earlier one says of a plugin as a whole.
  const merge = isAtLeast(version, [2, 2]) ? mergeDeep : (one: Table, other: Table) => ({ ...one, ...other });
  let plugins: Table = {};
  let root = defaultRoot;
  for (const document of await readFiles(files, file)) {
    plugins = merge(plugins, asTable(document['plugins']));
    if (typeof document['root'] === 'string' && document['root'] !== '') root = document['root'];
  }
  const found = imagePlugins.map((name) => asTable(plugins[name]));
  const registries = found.map((plugin) => asTable(plugin['registry']));
  const configPath = registries.map((registry) => registry['config_path']).find((one) => typeof one === 'string');
  return {
    file,
    configPath: configPath === '' ? undefined : configPath,
    hasMirrors: registries.some(({ mirrors }) => hasEntries(mirrors)),
    root: toRoot(imageRoot) ?? root,
    usesLocalPull: !isAtLeast(version, [2, 1]) || found.some(needsLocalPull),
  };
}

async function findFile(files: HostFiles, imageRoot: string | undefined): Promise<string> {
  const commandLines = await findArguments(files, 'containerd');
  const [only] = commandLines;
  // Docker brings one of its own: of several it cannot be told which one this is.
  const named = only === undefined || commandLines.length > 1 ? undefined : findOption(only, '--config', '-c');
  if (named !== undefined) return named;
  return distributions.find(({ below }) => imageRoot?.startsWith(below) === true)?.file ?? defaultFile;
}

/** In the order in which containerd merges them: each file, then what it imports. */
async function readFiles(files: HostFiles, first: string): Promise<readonly Table[]> {
  const documents: Table[] = [];
  const seen = new Set<string>();
  const pending = [first];
  for (let path = pending.shift(); path !== undefined && seen.size < maxFiles; path = pending.shift()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const text = await files.read(path);
    if (text === undefined) continue;
    const document = parseToml(path, text);
    documents.push(document);
    for (const written of textsOf(document['imports'])) pending.push(...(await expand(files, dirname(path), written)));
  }
  return documents;
}

export function parseToml(path: string, text: string): Table {
  try {
    return asTable(parse(text));
  } catch (error) {
    throw new Error(`${path}: ${errorMessage(error).split('\n', 1)[0]}`);
  }
}

/** A relative import begins at the folder of the file that has it; one with a `*` is a glob, part by part as Go matches them. */
async function expand(files: HostFiles, folder: string, written: string): Promise<readonly string[]> {
  const path = resolve(folder, normalize(written));
  if (!path.includes('*')) return [path];
  let found = ['/'];
  for (const part of path.split('/').filter((one) => one !== '')) {
    const next: string[] = [];
    const matches = picomatch(part, { dot: true, nobrace: true, noextglob: true, noglobstar: true, nonegate: true });
    for (const parent of found) {
      if (!part.includes('*')) next.push(join(parent, part));
      else
        next.push(
          ...((await files.list(parent)) ?? []).filter((name) => matches(name)).map((name) => join(parent, name)),
        );
    }
    found = next.toSorted();
  }
  return found;
}

/** What containerd 2.1 to 2.4 cannot do through the transfer service, so that one of these settings brings the local pull. */
function needsLocalPull(plugin: Table): boolean {
  const { use_local_image_pull: wanted, image_pull_with_sync_fs: syncs, max_concurrent_downloads: downloads } = plugin;
  const { mirrors, configs, auths } = asTable(plugin['registry']);
  // Until version 2 of the configuration these two are one level deeper.
  const deeper = asTable(plugin['containerd']);
  const discards = plugin['discard_unpacked_layers'] ?? deeper['discard_unpacked_layers'];
  const disablesAnnotations = plugin['disable_snapshot_annotations'] ?? deeper['disable_snapshot_annotations'];
  return (
    wanted === true ||
    syncs === true ||
    discards === true ||
    disablesAnnotations === false ||
    (downloads !== undefined && Number(downloads) !== 3) ||
    [mirrors, configs, auths].some(hasEntries)
  );
}

function hasEntries(value: unknown): boolean {
  return Object.keys(asTable(value)).length > 0;
}

/** Snapshotters are folders of the root, and what the CRI names is the snapshotter's. */
function toRoot(imageRoot: string | undefined): string | undefined {
  return /^(\/.*)\/io\.containerd\.snapshotter\.v1\.[^/]+$/.exec(imageRoot ?? '')?.[1];
}
