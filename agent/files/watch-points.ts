/** Where a change of a file shows: in every folder that the way to it, symbolic links included, leads through. */

import { type FSWatcher, watch } from 'node:fs';
import { readlink, stat, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/** As the kernel follows at most. */
const longestTrail = 40;

/** Filesystems whose changes made elsewhere raise no event here: NFS, SMB, CIFS, SMB2, 9p, FUSE, Ceph, AFS (statfs(2)). */
const silentTypes: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x00c36400, 0x5346414f,
]);

interface Point {
  readonly inode: string;
  readonly names: ReadonlySet<string> | undefined;
  readonly watcher: FSWatcher;
}

/** Watches the folders that matter for one path, and the file itself; `onHint` says only that it is time to look again. */
export class WatchPoints implements Disposable {
  readonly #path: string;
  readonly #onHint: () => void;
  readonly #points = new Map<string, Point>();

  constructor(path: string, onHint: () => void) {
    this.#path = resolve(path);
    this.#onHint = onHint;
  }

  /**
   * Follows the path again and watches what it leads through now; to be called before every look.
   * False where events cannot be relied on, so that only looking now and then tells of a change.
   */
  async arm(): Promise<boolean> {
    const trail = await trailOf(this.#path);
    // The file itself too: one that is mounted alone into a container changes without its folder knowing.
    const wanted = new Map<string, ReadonlySet<string> | undefined>([...trail, [this.#path, undefined]]);
    for (const target of this.#points.keys()) if (!wanted.has(target)) this.#drop(target);
    let reliable = true;
    for (const [target, names] of wanted) {
      const armed = await this.#watch(target, names);
      reliable &&= armed || target === this.#path;
    }
    return reliable && !(await isSilent(dirname(this.#path)));
  }

  [Symbol.dispose](): void {
    for (const target of this.#points.keys()) this.#drop(target);
  }

  async #watch(target: string, names: ReadonlySet<string> | undefined): Promise<boolean> {
    try {
      const { dev, ino } = await stat(target, { bigint: true });
      const inode = `${dev}:${ino}`;
      const known = this.#points.get(target);
      if (known?.inode === inode && sameNames(known.names, names)) return true;
      this.#drop(target);
      const watcher = watch(target, (_, name) => {
        if (names === undefined || name === null || names.has(name)) this.#onHint();
      });
      watcher.on('error', () => {
        this.#drop(target);
        this.#onHint();
      });
      this.#points.set(target, { inode, names, watcher });
      return true;
    } catch {
      // Not there, no permission, or no inotify watch left: the caller looks by the clock instead.
      this.#drop(target);
      return false;
    }
  }

  #drop(target: string): void {
    this.#points.get(target)?.watcher.close();
    this.#points.delete(target);
  }
}

/** Every folder in which one step of the path is looked up through a symbolic link, or the file itself, with those names. */
async function trailOf(path: string): Promise<Map<string, Set<string>>> {
  const trail = new Map<string, Set<string>>();
  const steps = path.split('/').filter((step) => step !== '');
  let folder = '/';
  for (let links = 0; links <= longestTrail; ) {
    const name = steps.shift();
    if (name === undefined) break;
    if (name === '.') continue;
    if (name === '..') {
      folder = dirname(folder);
      continue;
    }
    const target = await readlink(join(folder, name)).catch(() => undefined);
    if (target !== undefined || steps.length === 0) trail.set(folder, (trail.get(folder) ?? new Set()).add(name));
    if (target === undefined) {
      folder = join(folder, name);
      continue;
    }
    links += 1;
    steps.unshift(...target.split('/').filter((step) => step !== ''));
    if (isAbsolute(target)) folder = '/';
  }
  return trail;
}

async function isSilent(folder: string): Promise<boolean> {
  const filesystem = await statfs(folder).catch(() => undefined);
  return filesystem === undefined || silentTypes.has(filesystem.type);
}

function sameNames(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.size === b.size && [...a].every((name) => b.has(name)));
}
