import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateFolder } from '../../agent/work/state-folder.ts';

let folder: string;
const modulePath = new URL('../../agent/work/state-folder.ts', import.meta.url).href;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-state-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Another process that holds the folder until it is killed. */
async function holdElsewhere(path: string): Promise<{ kill: () => Promise<void>; stderr: () => string }> {
  const script = `
    const { openStateFolder } = await import(${JSON.stringify(modulePath)});
    await openStateFolder(${JSON.stringify(path)});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  await once(child.stdout, 'data');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { kill, stderr: () => errors };
}

describe('the state folder', () => {
  it('is made where it is missing, for its owner alone', async () => {
    const path = join(folder, 'deep', 'state');
    const state = await openStateFolder(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, 'lock'))).mode & 0o777).toBe(0o600);
    state.close();
  });

  it('is held by one only, and free again after it is closed', async () => {
    const first = await openStateFolder(folder);
    await expect(openStateFolder(folder)).rejects.toMatchObject({
      detail: 'state_folder_in_use',
      message: `the state folder ${folder} is in use by another stevedore process`,
    });
    first.close();
    const second = await openStateFolder(folder);
    second.close();
    second.close();
  });

  it('is held against other processes, also after one was refused, and freed by kill -9', async () => {
    const holder = await holdElsewhere(folder);
    try {
      for (let attempt = 0; attempt < 2; attempt += 1) {
        await expect(openStateFolder(folder)).rejects.toMatchObject({ detail: 'state_folder_in_use' });
      }
    } finally {
      await holder.kill();
    }
    (await openStateFolder(folder)).close();
    expect(holder.stderr()).toBe('');
  });

  it('leaves no file but the lock', async () => {
    const holder = await holdElsewhere(folder);
    await holder.kill();
    expect(await readdir(folder)).toEqual(['lock']);
  });

  it('says soon that no folder can be made where the kernel makes none', async () => {
    // Node's own recursive mkdir never returns there.
    await expect(openStateFolder('/proc/stevedore/state')).rejects.toThrow('cannot be used: ENOENT');
  }, 2_000);

  it('says what is wrong with a folder that cannot be used', async () => {
    await writeFile(join(folder, 'file'), '');
    const path = join(folder, 'file', 'state');
    await expect(openStateFolder(path)).rejects.toMatchObject({
      code: 'other',
      detail: undefined,
      message: expect.stringMatching(new RegExp(`^the state folder ${path} cannot be used: ENOTDIR`)) as string,
    });
  });

  it('takes a foreign file by the name of the lock for what it is', async () => {
    await writeFile(join(folder, 'lock'), 'x'.repeat(4096));
    await chmod(join(folder, 'lock'), 0o600);
    await expect(openStateFolder(folder)).rejects.toMatchObject({ code: 'other', detail: undefined });
  });
});
