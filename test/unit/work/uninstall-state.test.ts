import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStateFolder } from '../../../agent/work/state-folder.ts';
import { isStateFolder, removeState } from '../../../agent/work/uninstall-state.ts';

let parent: string;
let folder: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'stevedore-uninstall-'));
  folder = join(parent, 'state');
  await mkdir(folder);
});
afterEach(async () => {
  await chmod(folder, 0o700).catch(() => undefined);
  await rm(parent, { recursive: true, force: true });
});

async function put(...names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(folder, name), 'x');
}

const ours = [
  'ledger.json',
  'ledger.json.1234567',
  'ledger.json.unreadable-2026-01-05T120000.000Z',
  'last-good.json',
  'gate.json',
  'control.sock',
];
const others = ['ledger.json.bak', 'ledger.jsonx', 'notes.txt', 'lock.old'];

test('what the agent has written goes, and the folder with it', async () => {
  const held = await openStateFolder(folder);
  await put(...ours);
  expect(await removeState(folder)).toBe(ours.length + 1);
  held.close();
  expect(await readdir(parent)).toEqual([]);
  expect(await removeState(folder)).toBe(0);
});

test("others' files stay, and the folder with them", async () => {
  const held = await openStateFolder(folder);
  await put(...ours, ...others);
  await mkdir(join(folder, 'lost+found'));
  await symlink('/etc/passwd', join(folder, 'link'));
  expect(await removeState(folder)).toBe(ours.length + 1);
  held.close();
  expect((await readdir(folder)).toSorted()).toEqual([...others, 'link', 'lost+found'].toSorted());
});

test('a folder that never was an agent’s is left as it is', async () => {
  await put('ledger.json');
  expect(await isStateFolder(folder)).toBe(false);
  expect(await removeState(folder)).toBe(0);
  expect(await readdir(folder)).toEqual(['ledger.json']);
  expect(await removeState(join(parent, 'nowhere'))).toBe(0);
});

test('what cannot be removed is told, all else goes, and the lock stays for the next try', async () => {
  const held = await openStateFolder(folder);
  await put('ledger.json');
  await mkdir(join(folder, 'gate.json'));
  await expect(removeState(folder)).rejects.toThrow(/gate\.json/);
  held.close();
  expect((await readdir(folder)).toSorted()).toEqual(['gate.json', 'lock']);
});
