/** A private containerd with its CRI plugin: Debian's, or another version's files in a folder. Needs root and containerd, runc. */

import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { makeFolder } from './folder.ts';
import { type BuiltImage, toArchive } from './images.ts';
import { runTool, startDaemon } from './process.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

export interface ContainerdOptions {
  /** Folder with containerd, its shims, ctr and runc; default: what is on the path. */
  readonly bin?: string;
  readonly disableCri?: boolean;
  /** `host:port` of registries that speak plain http. Not needed for localhost and 127.0.0.0/8: containerd tries http there by itself. */
  readonly insecureHosts?: readonly string[];
  /** `host:port` → path of a CA certificate. */
  readonly caFiles?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Gives the root a filesystem of its own. */
  readonly disk?: SmallDisk;
}

export interface ContainerdRunOptions {
  /** Default: made up. */
  readonly id?: string;
  /** Default: the image's entrypoint. */
  readonly command?: readonly string[];
}

export interface Containerd {
  /** `unix:///…` */
  readonly endpoint: string;
  readonly socket: string;
  readonly folder: string;
  /** containerd's root, on the image filesystem. */
  readonly root: string;
  readonly version: string;
  readonly pid: number;
  readonly logPath: string;
  /** In the namespace k8s.io. @throws Error with its standard error */
  ctr(...args: string[]): Promise<string>;
  /** Puts an image there without a registry, unpacked. */
  load(image: BuiltImage, name: string): Promise<void>;
  /** A container of `ctr`'s in k8s.io, without network, of an image that is there. Gives its id. The CRI does not list it. */
  run(image: string, options?: ContainerdRunOptions): Promise<string>;
  /** Kills its process and waits; the container stays, as after an exit. */
  stopContainer(id: string): Promise<void>;
  removeContainer(id: string): Promise<void>;
  /** Only the daemon: containers run on. */
  stop(): Promise<void>;
  /** SIGKILL to the daemon. */
  kill(): Promise<void>;
  /** Again, with the same state. */
  start(): Promise<void>;
  /** Containers, daemon, folder. */
  remove(): Promise<void>;
}

/** The image that a pod's sandbox runs, should a test create pods: `load(busyboxImage(), pauseImage)` before. */
export const pauseImage = 'stevedore.test/pause:1';

export async function startContainerd(options: ContainerdOptions = {}): Promise<Containerd> {
  const folder = await makeFolder('stv-c');
  try {
    return await startIn(folder, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startIn(
  folder: Awaited<ReturnType<typeof makeFolder>>,
  options: ContainerdOptions,
): Promise<Containerd> {
  const root = join(folder.path, 'root');
  const socket = join(folder.path, 'containerd.sock');
  const configPath = join(folder.path, 'config.toml');
  const env = {
    ...options.env,
    ...(options.bin === undefined ? {} : { PATH: `${options.bin}${delimiter}${process.env['PATH'] ?? ''}` }),
  };
  const program = (name: string): string => (options.bin === undefined ? name : join(options.bin, name));
  const ctr = (...args: string[]): Promise<string> =>
    runTool(program('ctr'), ['--address', socket, '--namespace', 'k8s.io', ...args], { env });

  if (options.disk !== undefined) await mountSmallDisk(root, options.disk);
  await writeFile(configPath, toConfig(folder.path, root, socket, options));
  await writeRegistryHosts(join(folder.path, 'certs.d'), options);
  const daemon = await startDaemon({
    name: 'containerd',
    command: program('containerd'),
    args: ['--config', configPath],
    folder: folder.path,
    env,
    privateRun: true,
    ready: async () => {
      const plugins = await ctr('plugins', 'ls');
      return options.disableCri === true || /\bcri\s.*\bok\b/.test(plugins);
    },
  });

  let containers = 0;
  return {
    endpoint: `unix://${socket}`,
    socket,
    folder: folder.path,
    root,
    version: await readVersion(ctr),
    get pid() {
      return daemon.pid;
    },
    logPath: daemon.logPath,
    ctr,
    async load(image, name) {
      // containerd 2.x takes only names that begin with the base name; without one, older versions make a name up for what has none.
      const args = ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', '--base-name', name, '-'];
      await runTool(program('ctr'), args, { env, input: toArchive(image, name) });
    },
    async run(image, { id = `run-${(containers += 1)}`, command = [] } = {}) {
      // The cgroup's name is known to the folder's reaper, and no other containerd's.
      await ctr('run', '--detach', '--null-io', '--cgroup', `/${folder.name}/${id}`, image, id, ...command);
      return id;
    },
    async stopContainer(id) {
      await ctr('tasks', 'kill', '--signal', 'SIGKILL', id);
      await untilStopped(ctr, id);
      await ctr('tasks', 'delete', id);
    },
    async removeContainer(id) {
      if ((await taskState(ctr, id)) !== undefined) await ctr('tasks', 'delete', '--force', id);
      await ctr('containers', 'delete', id);
    },
    stop: daemon.stop,
    kill: daemon.kill,
    start: daemon.start,
    async remove() {
      await daemon.stop();
      await folder.remove();
    },
  };
}

type Ctr = Containerd['ctr'];

async function readVersion(ctr: Ctr): Promise<string> {
  const [, server] = (await ctr('version')).split('Server:');
  return /Version:\s*v?([0-9][^\s~+]*)/.exec(server ?? '')?.[1] ?? '';
}

async function taskState(ctr: Ctr, id: string): Promise<string | undefined> {
  const rows = (await ctr('tasks', 'ls')).split('\n').map((line) => line.trim().split(/\s+/));
  return rows.find(([name]) => name === id)?.[2];
}

async function untilStopped(ctr: Ctr, id: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await taskState(ctr, id)) !== 'STOPPED') {
    if (performance.now() > deadline) throw new Error(`container ${id} did not stop within 10 s`);
    await wait(20);
  }
}

/** Version 2: containerd 1.6 and 1.7 read it, 2.x translates it. */
function toConfig(folder: string, root: string, socket: string, { disableCri = false }: ContainerdOptions): string {
  const unneeded = ['aufs', 'btrfs', 'devmapper', 'zfs', 'blockfile', 'erofs', 'native'].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  );
  const disabled = [
    ...unneeded,
    'io.containerd.internal.v1.opt',
    'io.containerd.internal.v1.tracing',
    'io.containerd.tracing.processor.v1.otlp',
    ...(disableCri ? ['io.containerd.grpc.v1.cri'] : []),
  ];
  return `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(join(folder, 'state'))}
disabled_plugins = ${JSON.stringify(disabled)}
[grpc]
  address = ${JSON.stringify(socket)}
[ttrpc]
  address = ${JSON.stringify(`${socket}.ttrpc`)}
${disableCri ? '' : toCriConfig(folder)}`;
}

function toCriConfig(folder: string): string {
  return `[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${JSON.stringify(join(folder, 'cni/bin'))}
    conf_dir = ${JSON.stringify(join(folder, 'cni/net.d'))}
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = ${JSON.stringify(join(folder, 'certs.d'))}
`;
}

async function writeRegistryHosts(certsFolder: string, options: ContainerdOptions): Promise<void> {
  const hosts = new Map<string, string>();
  for (const host of options.insecureHosts ?? []) hosts.set(host, toHosts(`http://${host}`));
  for (const [host, caFile] of Object.entries(options.caFiles ?? {})) {
    hosts.set(host, `${toHosts(`https://${host}`)}ca = ${JSON.stringify(caFile)}\n`);
  }
  await mkdir(certsFolder, { recursive: true });
  for (const [host, text] of hosts) {
    await mkdir(join(certsFolder, host), { recursive: true });
    await writeFile(join(certsFolder, host, 'hosts.toml'), text);
  }
}

/** containerd 1.6 refuses a file without a host table. */
function toHosts(origin: string): string {
  return `server = "${origin}"\n[host."${origin}"]\ncapabilities = ["pull", "resolve"]\n`;
}
