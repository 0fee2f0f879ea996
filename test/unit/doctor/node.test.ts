import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import type { ImageFilesystem } from '../../../agent/core/node-images.ts';
import { checkFilesystem, checkRuntime, checkStateFolder } from '../../../agent/doctor/node-check.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import { samplePrune } from '../../fakes/samples.ts';
import { findingsOf, makeHost, tellOf } from './findings.ts';

describe('the runtime', () => {
  test('is told with its version, and what it cannot do', async () => {
    for (const [like, expected] of [
      ['containerd', /^ok runtime: containerd \S+, overlayfs$/],
      ['docker', /^ok runtime: docker \S+, overlay2; does without resume, pin, exactSizes$/],
      [
        'cri',
        /^ok runtime: \S+ \S+, \S+, spoken to as cri; does without events, progress, resume, pin, alias, exactSizes$/,
      ],
    ] as const) {
      const runtime = new FakeRuntime({ like });
      const connect = async (signal: AbortSignal) => ({ runtime, info: await runtime.info(signal) });
      expect(await tellOf((tell, signal) => checkRuntime(connect, tell, signal))).toEqual([
        expect.stringMatching(expected),
      ]);
    }
  });

  test('that is not found is a failure, and nothing is thrown', async () => {
    const connect = () => Promise.reject(new Failure('runtime', 'no container runtime answers'));
    const found = await findingsOf((tell, signal) => checkRuntime(connect, tell, signal));
    expect(found).toMatchObject([
      { level: 'failure', message: 'no container runtime answers', advice: expect.stringContaining('--endpoint') },
    ]);
  });
});

describe('the image filesystem', () => {
  const at = (used: number, usedFiles = 0): ImageFilesystem => ({
    mountpoint: '/images',
    sizeBytes: 2 ** 40,
    availBytes: Math.round(2 ** 40 * (1 - used)),
    files: 1000,
    filesFree: Math.round(1000 * (1 - usedFiles)),
  });
  const check = (
    filesystem: ImageFilesystem | undefined,
    prune: Parameters<typeof checkFilesystem>[1] = samplePrune(),
  ) => tellOf((tell) => checkFilesystem(filesystem, prune, tell));

  test('stands against the watermarks', async () => {
    expect(await check(at(0.5))).toEqual([
      'ok image_filesystem /images: 50 % used, 512 GiB of 1.0 TiB free (low 65 %, high 75 %, critical 82 %)',
    ]);
    expect(await check(at(0.7))).toEqual([expect.stringMatching(/^ok /)]);
    expect(await check(at(0.8))).toEqual([expect.stringMatching(/^warning .*: above high$/)]);
    expect(await check(at(0.9))).toEqual([expect.stringMatching(/^failure .*: above critical$/)]);
  });

  test('may run out of inodes before', async () => {
    expect(await check(at(0.5, 0.9))).toEqual([
      expect.stringMatching(/^failure .*90 % of the inodes used .*: above critical$/),
    ]);
    const free = (bytes: number) => ({ kind: 'free' as const, bytes });
    const prune = samplePrune({ watermarks: { low: free(300e9), high: free(200e9), critical: free(150e9) } });
    expect(await check(at(0.5, 0.9), prune)).toEqual([expect.stringMatching(/^ok /)]);
  });

  test('that cannot be seen is a warning; without a configuration it is told as it is', async () => {
    expect(await check(undefined)).toEqual([
      expect.stringMatching(/^warning image_filesystem: the image filesystem cannot be seen/),
    ]);
    expect(await tellOf((tell) => checkFilesystem(at(0.99), undefined, tell))).toEqual([
      expect.stringMatching(/^ok .*no configuration/),
    ]);
  });

  test('that nobody prunes gets other advice', async () => {
    const advice = async (enabled: boolean) =>
      (await findingsOf((tell) => checkFilesystem(at(0.9), samplePrune({ enabled }), tell)))[0]?.advice;
    expect(await advice(true)).toContain('stevedore prune --dry-run');
    expect(await advice(false)).toContain('prune.enabled');
  });
});

describe('the state folder', () => {
  test('must be a folder that can be written, and is nobody else’s business', async () => {
    const root = await makeHost();
    const path = join(root, 'state');
    const check = () => tellOf((tell) => checkStateFolder(path, tell));
    expect(await check()).toEqual([`warning state_folder ${path}: is not there yet: no agent has run with it`]);
    await mkdir(path, { mode: 0o700 });
    expect(await check()).toEqual([`ok state_folder ${path}: can be written, mode 700`]);
    await chmod(path, 0o755);
    expect(await check()).toEqual([
      `warning state_folder ${path}: has mode 755: others than its owner can look into it`,
    ]);
    await writeFile(join(root, 'file'), '');
    expect(await tellOf((tell) => checkStateFolder(join(root, 'file'), tell))).toEqual([
      expect.stringMatching(/^failure state_folder .*is not a folder/),
    ]);
  });

  test.skipIf(process.getuid?.() === 0)('that may not be written is a failure', async () => {
    const path = join(await makeHost(), 'state');
    await mkdir(path, { mode: 0o500 });
    expect(await tellOf((tell) => checkStateFolder(path, tell))).toEqual([
      expect.stringMatching(/^failure state_folder/),
    ]);
  });
});
