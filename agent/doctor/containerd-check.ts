/** What only the host shows of containerd: `config_path` and its colon trap, hosts.toml files, gunzip helpers, where the content store is. */

import { parse } from 'smol-toml';
import type { Tell } from '../core/doctor-report.ts';
import { errorMessage } from '../core/failure.ts';
import type { HostFiles } from './host-files.ts';

const configFile = '/etc/containerd/config.toml';
const defaultRoot = '/var/lib/containerd';
/** Of configuration version 2 (containerd 1.5 to 1.7) and 3 or 4 (2.0 on). */
const registryPlugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images'];

type Table = Readonly<Record<string, unknown>>;

export interface ContainerdConfig {
  readonly configPath: string | undefined;
  readonly root: string;
  /** The CRI plugin pulls by itself, which splits `config_path` at colons; undefined: the version decides. */
  readonly usesLocalPull: boolean | undefined;
}

export async function readContainerdConfig(files: HostFiles): Promise<ContainerdConfig | undefined> {
  const text = await files.read(configFile);
  if (text === undefined) return undefined;
  const main = asTable(parse(text));
  let config = toConfig(main);
  for (const imported of asList(main['imports'])) {
    if (typeof imported !== 'string' || imported.includes('*')) continue;
    const more = await files.read(imported);
    if (more === undefined) continue;
    const { configPath, usesLocalPull, root } = toConfig(asTable(parse(more)));
    config = {
      configPath: configPath ?? config.configPath,
      usesLocalPull: usesLocalPull ?? config.usesLocalPull,
      root: root === defaultRoot ? config.root : root,
    };
  }
  return config;
}

/**
 * Since containerd 2.1 the CRI plugin pulls through the transfer service, which takes `config_path` for one folder; 2.2's default is two, joined
 * by a colon. Then no hosts.toml counts (containerd 2.3.4, containerd#12415).
 */
export function checkConfigPath(config: ContainerdConfig, version: string, tell: Tell): string | undefined {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isTransfer = config.usesLocalPull !== true && (major > 2 || (major === 2 && minor >= 1));
  const hasListDefault = major > 2 || (major === 2 && minor >= 2);
  const path = config.configPath ?? (hasListDefault ? '/etc/containerd/certs.d:/etc/docker/certs.d' : undefined);
  const about = { check: 'containerd_config', subject: configFile } as const;
  if (path === undefined || path === '') {
    tell({ ...about, level: 'ok', message: 'config_path is not set: no hosts.toml is used' });
    return undefined;
  }
  if (isTransfer && path.includes(':')) {
    tell({
      ...about,
      level: 'failure',
      message: `config_path is "${path}", a list, which containerd ${version} takes for one folder: no hosts.toml is used, and so neither mirrors nor their authorities`,
      advice: 'set config_path = "/etc/containerd/certs.d" or use_local_image_pull = true, and restart containerd',
    });
    return path.split(':')[0];
  }
  tell({ ...about, level: 'ok', message: `config_path is ${path}` });
  return path.split(':')[0];
}

/** A mirror whose address has a path gets `/v2` appended to it, unless it says `override_path`. */
export async function checkMirrors(files: HostFiles, folder: string, tell: Tell): Promise<void> {
  const check = 'registry_mirrors' as const;
  const hosts = await files.list(folder);
  if (hosts === undefined) {
    tell({ check, level: 'ok', subject: folder, message: 'there is no such folder: no mirrors' });
    return;
  }
  let count = 0;
  for (const host of hosts.toSorted()) {
    const subject = `${folder}/${host}/hosts.toml`;
    const text = await files.read(subject);
    if (text === undefined) continue;
    count += 1;
    let table: Table;
    try {
      table = asTable(parse(text));
    } catch (error) {
      tell({
        check,
        level: 'failure',
        subject,
        message: `is not TOML, and containerd ignores it: ${errorMessage(error).split('\n', 1)[0]}`,
        advice: 'mend it: until then pulls go to the registry itself',
      });
      continue;
    }
    checkHosts(asTable(table['host']), subject, tell);
    if (table['server'] !== undefined) checkAddress(String(table['server']), table, subject, tell);
  }
  if (count === 0) tell({ check, level: 'ok', subject: folder, message: 'there is no hosts.toml: no mirrors' });
}

function checkHosts(hosts: Table, subject: string, tell: Tell): void {
  for (const [address, settings] of Object.entries(hosts)) checkAddress(address, asTable(settings), subject, tell);
}

function checkAddress(address: string, settings: Table, subject: string, tell: Tell): void {
  const check = 'registry_mirrors' as const;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const hasPath = url !== undefined && url.pathname.replace(/\/$/, '') !== '';
  if (!hasPath || settings['override_path'] === true) {
    tell({ check, level: 'ok', subject, message: address });
    return;
  }
  tell({
    check,
    level: 'failure',
    subject,
    message: `${address} has a path but no override_path = true: containerd appends /v2 to it and gets Harbor's web page`,
    advice: `add override_path = true under [host."${address}"]`,
  });
}

/** The first that containerd finds on the path of its own process: igzip from 2.0 on, then unpigz. */
export async function checkDecompressor(files: HostFiles, runtime: string, version: string, tell: Tell): Promise<void> {
  const check = 'decompressor' as const;
  const major = Number(version.replace(/^v/, '').split('.')[0]);
  const wanted = runtime === 'containerd' && major >= 2 ? ['igzip', 'unpigz'] : ['unpigz'];
  for (const name of wanted) {
    for (const folder of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
      if (!(await files.exists(`${folder}/${name}`))) continue;
      tell({
        check,
        level: 'ok',
        message: `${runtime} ${version} unpacks gzip layers with ${folder}/${name}, if that is on its own PATH`,
      });
      return;
    }
  }
  const [best] = wanted;
  tell({
    check,
    level: 'warning',
    message: `${runtime} ${version} would unpack gzip layers with ${wanted.join(' or ')}, and finds neither: it does so itself, slower`,
    advice: `install ${best === 'igzip' ? 'igzip (Debian: isal)' : 'unpigz (Debian: pigz)'} on the node and restart ${runtime}`,
  });
}

const networkFilesystems: ReadonlySet<string> = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'smbfs',
  'ceph',
  'glusterfs',
  'lustre',
  'afs',
  '9p',
  'beegfs',
  'gpfs',
  'fuse.glusterfs',
  'fuse.sshfs',
  'fuse.s3fs',
]);

/** Reads the mounts of the host's first process, below which the store's folder is. */
export async function checkContentStore(files: HostFiles, root: string, tell: Tell): Promise<void> {
  const check = 'content_store' as const;
  const mounts = await files.read('/proc/1/mounts');
  if (mounts === undefined) {
    tell({ check, level: 'not_checked', subject: root, message: "the host's /proc is not below --host-root" });
    return;
  }
  const type = findFilesystem(mounts, root);
  if (type === undefined) {
    tell({ check, level: 'not_checked', subject: root, message: 'its filesystem is not among the mounts' });
  } else if (networkFilesystems.has(type)) {
    tell({
      check,
      level: 'failure',
      subject: root,
      message: `lies on a network filesystem (${type}): runtimes lose blobs there when nodes share it, and overlayfs does not work on it`,
      advice: 'keep the store on a local disk',
    });
  } else tell({ check, level: 'ok', subject: root, message: `lies on ${type}` });
}

/** Of the longest mount point that the path is below; of two on one point the later counts. */
function findFilesystem(mounts: string, path: string): string | undefined {
  let best: { readonly point: string; readonly type: string } | undefined;
  for (const line of mounts.split('\n')) {
    const [, written = '', type = ''] = line.split(' ');
    const point = written.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
    if (point !== '' && isAbove && point.length >= (best?.point.length ?? 0)) best = { point, type };
  }
  return best?.type;
}

function toConfig(table: Table): ContainerdConfig {
  const plugins = asTable(table['plugins']);
  const found = registryPlugins.map((name) => asTable(plugins[name]));
  const configPath = found
    .map((plugin) => asTable(plugin['registry'])['config_path'])
    .find((one) => typeof one === 'string');
  const local = found.map((plugin) => plugin['use_local_image_pull']).find((one) => typeof one === 'boolean');
  return {
    configPath,
    root: typeof table['root'] === 'string' ? table['root'] : defaultRoot,
    usesLocalPull: local,
  };
}

function asTable(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
