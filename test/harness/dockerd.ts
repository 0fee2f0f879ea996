/** A private dockerd, with a containerd of its own below it: Debian's, or another version's files in a folder. Needs root and docker.io. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Folder, makeFolder } from './folder.ts';
import { type BuiltImage, toArchive } from './images.ts';
import { runTool, startDaemon, untilGone } from './process.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

export interface DockerdOptions {
  /** Folder with dockerd, docker, containerd, its shims and runc; default: what is on the path. */
  readonly bin?: string;
  /** `host:port` of registries that speak plain http. Not needed for 127.0.0.0/8. */
  readonly insecureHosts?: readonly string[];
  /** More flags of dockerd, such as `--live-restore`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gives the root a filesystem of its own. */
  readonly disk?: SmallDisk;
}

export interface DockerdRunOptions {
  /** The container's name; default: made up. */
  readonly id?: string;
  readonly command?: readonly string[];
}

export interface Dockerd {
  /** `unix:///…` */
  readonly endpoint: string;
  readonly socket: string;
  readonly folder: string;
  /** Docker's data root, on the image filesystem. */
  readonly root: string;
  readonly version: string;
  readonly pid: number;
  readonly logPath: string;
  /** @throws Error with its standard error */
  docker(...args: string[]): Promise<string>;
  /** Puts an image there without a registry. */
  load(image: BuiltImage, name: string): Promise<void>;
  /** A running container without network, of an image that is there. Gives its id. */
  run(image: string, options?: DockerdRunOptions): Promise<string>;
  /** Kills its process and waits; the container stays, as after an exit. */
  stopContainer(id: string): Promise<void>;
  removeContainer(id: string): Promise<void>;
  /** The daemon; as Docker does without `--live-restore`, it stops the containers first. */
  stop(): Promise<void>;
  /** SIGKILL to the daemon: containers run on until it starts again. */
  kill(): Promise<void>;
  /** Again, with the same state. */
  start(): Promise<void>;
  /** Containers, daemon, folder. */
  remove(): Promise<void>;
}

export async function startDockerd(options: DockerdOptions = {}): Promise<Dockerd> {
  const folder = await makeFolder('stv-d');
  try {
    return await startIn(folder, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

async function startIn(folder: Folder, options: DockerdOptions): Promise<Dockerd> {
  const root = join(folder.path, 'root');
  const socket = join(folder.path, 'docker.sock');
  const endpoint = `unix://${socket}`;
  const program = (name: string): string => (options.bin === undefined ? name : join(options.bin, name));
  const env = {
    ...options.env,
    ...(options.bin === undefined ? {} : { PATH: `${options.bin}${delimiter}${process.env['PATH'] ?? ''}` }),
    DOCKER_HOST: endpoint,
    // Nobody's own logins and contexts.
    DOCKER_CONFIG: join(folder.path, 'client'),
    DOCKER_CONTEXT: '',
  };
  if (options.disk !== undefined) await mountSmallDisk(root, options.disk);
  await mkdir(env.DOCKER_CONFIG);
  await writeFile(join(folder.path, 'daemon.json'), '{}');
  const docker = async (...args: string[]): Promise<string> => (await runTool(program('docker'), args, { env })).trim();

  const daemon = await startDaemon({
    name: 'dockerd',
    command: program('dockerd'),
    args: [...toFlags(folder, root, endpoint), ...toHostFlags(options), ...(options.args ?? [])],
    folder: folder.path,
    env,
    privateRun: true,
    ready: async () => (await docker('version', '--format', '{{.Server.Version}}')) !== '',
  });

  return {
    endpoint,
    socket,
    folder: folder.path,
    root,
    version: /^[^\s~+]*/.exec(await docker('version', '--format', '{{.Server.Version}}'))?.[0] ?? '',
    get pid() {
      return daemon.pid;
    },
    logPath: daemon.logPath,
    docker,
    async load(image, name) {
      await runTool(program('docker'), ['load', '--quiet'], { env, input: toArchive(image, name) });
    },
    run(image, { id, command = [] } = {}) {
      const named = id === undefined ? [] : ['--name', id];
      // SIGTERM means nothing to a `sleep` that is process 1: stopping the daemon would wait ten seconds for it.
      return docker('run', '--detach', '--network', 'none', '--stop-signal', 'SIGKILL', ...named, image, ...command);
    },
    async stopContainer(id) {
      await docker('kill', id);
      await docker('wait', id);
    },
    async removeContainer(id) {
      await docker('rm', '--force', '--volumes', id);
    },
    stop: daemon.stop,
    async kill() {
      const pidFile = join(folder.path, 'exec/containerd/containerd.pid');
      const containerdPid = Number(await readFile(pidFile, 'utf8'));
      await daemon.kill();
      // It dies with dockerd. While process 1 has not reaped it, the next dockerd takes it for a living one and never starts.
      await untilGone(containerdPid);
    },
    start: daemon.start,
    async remove() {
      await daemon.stop();
      await folder.remove();
    },
  };
}

function toFlags(folder: Folder, root: string, endpoint: string): string[] {
  return [
    `--host=${endpoint}`,
    `--data-root=${root}`,
    `--exec-root=${join(folder.path, 'exec')}`,
    `--pidfile=${join(folder.path, 'dockerd.pid')}`,
    // No /etc/docker/daemon.json of the machine.
    `--config-file=${join(folder.path, 'daemon.json')}`,
    '--bridge=none',
    '--iptables=false',
    '--storage-driver=overlay2',
    // The systemd driver would need the bus in /run, which the daemon does not see.
    '--exec-opt=native.cgroupdriver=cgroupfs',
    `--cgroup-parent=/${folder.name}`,
  ];
}

function toHostFlags({ insecureHosts = [] }: DockerdOptions): string[] {
  return insecureHosts.map((host) => `--insecure-registry=${host}`);
}
