import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCredentialStore, type CredentialStore } from '../../agent/config/credential-files.ts';
import type { CredentialSource } from '../../agent/core/configuration.ts';
import { parseReference } from '../../agent/core/image-reference.ts';

const web = parseReference('harbor.example.com/app/web:v1');
const base64 = (text: string) => Buffer.from(text).toString('base64');

let folder: string;
let logged: { fields: object; message: string }[];
let store: CredentialStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-credentials-'));
  logged = [];
  store = createCredentialStore({ warn: (fields, message) => void logged.push({ fields, message }) });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, content: unknown): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
const docker = (file: string): CredentialSource => ({ kind: 'dockerconfig', file });
async function logins(...groups: CredentialSource[][]): Promise<string[]> {
  const found = await store.credentialsFor(web, groups);
  return found.map((one) => `${one.username} / ${one.reveal()}`);
}

describe('docker config files', () => {
  test.each<[string, object, string]>([
    ['auth', { auth: base64('robot$app+pull:pa:ss') }, 'robot$app+pull / pa:ss'],
    ['auth without padding', { auth: base64('ab:c').replace(/=+$/, '') }, 'ab / c'],
    ['user name and password', { username: 'u', password: 'p' }, 'u / p'],
    ['auth before user name and password', { username: 'u', password: 'p', auth: base64('a:b') }, 'a / b'],
    ['an empty auth beside user name and password', { username: 'u', password: 'p', auth: '' }, 'u / p'],
    ['letters beyond ASCII', { auth: base64('müller:schlüssel') }, 'müller / schlüssel'],
  ])('%s', async (_, entry, expected) => {
    const file = await write('config.json', { auths: { 'harbor.example.com': entry } });
    expect(await logins([docker(file)])).toEqual([expected]);
    expect(logged).toEqual([]);
  });

  test('a broken entry is named, the others are used, and nothing of its content is told', async () => {
    const file = await write('config.json', {
      auths: {
        'harbor.example.com': { auth: base64('good:one') },
        'a.example': { auth: 'N0T base64 S3CRET' },
        'b.example': { auth: base64('no colon S3CRET') },
        'c.example': { identitytoken: 'S3CRET' },
        'https://S3CRET@d.example': { password: 'S3CRET' },
        'e.example': 'S3CRET',
        'f.example': { auth: 5 },
      },
      credHelpers: { 'g.example': 'S3CRET' },
      credsStore: 'S3CRET',
    });
    expect(await logins([docker(file)])).toEqual(['good / one']);
    const rules = store.problems().map(({ rule }) => rule);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
      expect(rules.filter((rule) => rule.includes(`${name}.example`))).toHaveLength(1);
    expect(rules.join()).toContain('identity token');
    expect(rules.join()).toContain('credHelpers');
    expect(store.problems().every((one) => one.file === file)).toBe(true);
    expect(JSON.stringify([logged, store.problems()])).not.toContain('S3CRET');
  });

  test.each([
    ['no JSON', '{"auths": S3CRET'],
    ['no object', '["S3CRET"]'],
    ['no auths', '{"S3CRET": {}}'],
  ])('%s: the rule is told, not the content, and other files still count', async (_, text) => {
    const broken = await write('broken.json', text);
    const good = await write('good.json', { auths: { 'harbor.example.com': { auth: base64('good:one') } } });
    expect(await logins([docker(broken), docker(good)])).toEqual(['good / one']);
    expect(store.problems()).toMatchObject([{ file: broken }]);
    expect(JSON.stringify([logged, store.problems()])).not.toContain('S3CRET');
  });

  test('a missing file, a folder and a huge file are told once, until something changes', async () => {
    const missing = join(folder, 'missing.json');
    await mkdir(join(folder, 'folder'));
    const huge = await write('huge.json', 'x'.repeat(1024 * 1024 + 1));
    const sources = [docker(missing), docker(join(folder, 'folder')), docker(huge)];
    expect(await logins(sources)).toEqual([]);
    expect(await logins(sources)).toEqual([]);
    expect(logged).toHaveLength(3);
    expect(store.problems().find(({ file }) => file === missing)?.rule).toContain('must exist');

    await write('missing.json', { auths: { 'harbor.example.com': { auth: base64('now:there') } } });
    expect(await logins(sources)).toEqual(['now / there']);
    expect(logged).toHaveLength(3);
    expect(store.problems()).toHaveLength(2);
  });
});

describe('pairs of files', () => {
  const pair = (usernameFile: string, passwordFile: string, host = 'harbor.example.com'): CredentialSource => ({
    kind: 'files',
    host,
    usernameFile,
    passwordFile,
  });

  test('a line end at the end belongs to no password, other space does', async () => {
    const source = pair(await write('username', 'robot$app+pull\n'), await write('password', ' p ss \r\n'));
    expect(await logins([source])).toEqual(['robot$app+pull /  p ss ']);
  });

  test('they are for their host only', async () => {
    expect(
      await logins([pair(await write('username', 'u'), await write('password', 'p'), 'other.example.com')]),
    ).toEqual([]);
  });

  test('an empty or missing half is told', async () => {
    expect(await logins([pair(await write('username', '\n'), join(folder, 'nosuch'))])).toEqual([]);
    expect(store.problems()).toMatchObject([{ file: join(folder, 'nosuch') }]);
    await write('nosuch', 'p');
    expect(await logins([pair(join(folder, 'username'), join(folder, 'nosuch'))])).toEqual([]);
    expect(store.problems()).toMatchObject([
      { file: join(folder, 'username'), rule: expect.stringContaining('empty') },
    ]);
  });
});

describe('order and change', () => {
  const config = (login: string, location = 'harbor.example.com') => ({
    auths: { [location]: { auth: base64(login) } },
  });

  test("an image set's own come before the common ones, also where the common ones are more exact; doubles are left out", async () => {
    const own = await write('own.json', config('own:1', '*.example.com'));
    const common = await write('common.json', {
      auths: { ...config('common:1').auths, ...config('own:1', 'harbor.example.com/app').auths },
    });
    expect(await logins([docker(own)], [docker(common)])).toEqual(['own / 1', 'common / 1']);
  });

  test('without sources there are none', async () => {
    expect(await logins()).toEqual([]);
    expect(await logins([], [])).toEqual([]);
  });

  test('a file that is rewritten or replaced is read again', async () => {
    const file = await write('config.json', config('old:1'));
    expect(await logins([docker(file)])).toEqual(['old / 1']);
    await write('config.json', config('new:2'));
    expect(await logins([docker(file)])).toEqual(['new / 2']);
    await rename(await write('next.json', config('nxt:3')), file);
    expect(await logins([docker(file)])).toEqual(['nxt / 3']);
    await rm(file);
    expect(await logins([docker(file)])).toEqual([]);
  });

  test("the swap of a Secret's ..data link is seen", async () => {
    const version = async (name: string, login: string) => {
      await mkdir(join(folder, name));
      await write(join(name, '.dockerconfigjson'), config(login));
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await version('..1', 'old:1');
    await symlink('..data/.dockerconfigjson', join(folder, '.dockerconfigjson'));
    const source = docker(join(folder, '.dockerconfigjson'));
    expect(await logins([source])).toEqual(['old / 1']);
    await version('..2', 'new:1');
    expect(await logins([source])).toEqual(['new / 1']);
  });
});
