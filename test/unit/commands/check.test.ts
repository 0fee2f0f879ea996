import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeStateFolder, runStevedore } from './command-line.ts';

const good = 'imageSets:\n  - name: base\n    images: [busybox:1, "alpine:3"]\n';
const bad = 'imageSets:\n  - name: base\n    images: ["Foo:1"]\n    bogus: 1\n';

let folder: Awaited<ReturnType<typeof makeStateFolder>>;
let file: string;

beforeEach(async () => {
  folder = await makeStateFolder();
  file = join(folder.path, 'config.yaml');
});
afterEach(() => folder.remove());

describe('stevedore check', () => {
  it('says what a good file holds', async () => {
    await writeFile(file, good);
    expect(await runStevedore(['check', file])).toMatchObject({
      exitCode: 0,
      stdout: `${file}: ok, 1 image set, 2 images\n`,
      stderr: '',
    });
  });

  it('lists all mistakes with their lines on standard output, and exits 1', async () => {
    await writeFile(file, bad);
    const { exitCode, stdout, stderr } = await runStevedore(['check', file]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      expect.stringContaining(`${file}:3: imageSets[0].images[0]: "Foo:1"`),
      expect.stringContaining(`${file}:4: imageSets[0].bogus`),
      '',
    ]);
  });

  it('prints JSON when asked', async () => {
    await writeFile(file, bad);
    const { exitCode, stdout } = await runStevedore(['check', '--json', file]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      source: file,
      outcome: 'error',
      mistakes: [
        { path: 'imageSets[0].images[0]', value: 'Foo:1', line: 3 },
        { path: 'imageSets[0].bogus', line: 4 },
      ],
    });
    await writeFile(file, good);
    expect(JSON.parse((await runStevedore(['check', file, '--json'])).stdout)).toEqual({
      version: 1,
      source: file,
      outcome: 'success',
      mistakes: [],
      warnings: [],
    });
  });

  it('prints what is probably not meant, and exits 0 all the same', async () => {
    await writeFile(file, `${good}prune: { keep: ["*"] }\n`);
    const rule = 'matches every image that has a name, so that hardly anything is pruned';
    expect(await runStevedore(['check', file])).toMatchObject({
      exitCode: 0,
      stdout: `${file}: ok, 1 image set, 2 images\nwarning: ${file}:4: prune.keep[0]: "*": ${rule}\n`,
      stderr: '',
    });
    const { exitCode, stdout } = await runStevedore(['check', '--json', file]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'success',
      mistakes: [],
      warnings: [{ path: 'prune.keep[0]', value: '*', rule, line: 4 }],
    });
  });

  it('takes the file from --config, STEVEDORE_CONFIG or standard input', async () => {
    await writeFile(file, good);
    expect((await runStevedore(['check', '--config', file])).exitCode).toBe(0);
    expect((await runStevedore(['check'], { environment: { STEVEDORE_CONFIG: file } })).exitCode).toBe(0);
    expect((await runStevedore(['check', '-'], { stdin: bad })).stdout).toMatch(/^\(standard input\):3: /);
  });

  it('takes a file that cannot be read for one mistake, in the words of the other commands', async () => {
    expect(await runStevedore(['check', file])).toMatchObject({
      exitCode: 1,
      stdout: `${file}: the file does not exist\n`,
      stderr: '',
    });
    const { stdout } = await runStevedore(['check', '--json', dirname(file)]);
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'error',
      mistakes: [{ rule: 'the file cannot be used: it is a folder' }],
    });
  });

  it("takes a team's text for what it is", async () => {
    const team =
      'imageSets:\n  - { name: a, images: [busybox, { repository: harbor.example/ml/x }, { repository: harbor.example/ml/y }] }\n';
    await writeFile(file, team);
    expect(await runStevedore(['check', '--team', file])).toMatchObject({
      exitCode: 0,
      stdout: `${file}: ok, 1 image set, 1 image, 2 repository patterns\n`,
    });
    expect(await runStevedore(['check', file])).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('needs an entry in registries'),
    });
    const { exitCode, stdout } = await runStevedore(['check', '--team', '--json', '-'], { stdin: 'prune: {}' });
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'error', mistakes: [{ path: 'prune', line: 1 }] });
  });
});
