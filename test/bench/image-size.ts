/** What the agent adds to its base image, compressed as layers are. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type BenchResult, printTable } from './report.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const exec = promisify(execFile);

/** The Dockerfile copies the licence and dist/; its layers are these files, tarred and gzipped. */
const parts = ['LICENSE', 'dist'];
/** What an image without a bundle would carry. */
const rivalParts = ['package.json', 'agent', 'node_modules'];

export async function runImageSize(): Promise<BenchResult> {
  const own = await measure(parts);
  const rival = await measure(rivalParts, ['--exclude=node_modules/node', '--exclude=node_modules/.bin/node']);
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);
  printTable(
    'What the image adds to its base, MB',
    ['', 'files', 'tar', 'gzip'],
    [
      ['bundle', String(own.files), megabytes(own.tarBytes), megabytes(own.gzipBytes)],
      ['sources and node_modules', String(rival.files), megabytes(rival.tarBytes), megabytes(rival.gzipBytes)],
    ],
  );
  return { bench: 'image-size', settings: { gzipLevel: 6 }, verdicts: [], figures: { bundle: own, unbundled: rival } };
}

async function measure(paths: readonly string[], options: readonly string[] = []) {
  const tarOptions = { cwd: repository, encoding: 'buffer', maxBuffer: 2 ** 31 } as const;
  const { stdout } = await exec('tar', ['--create', '--sort=name', ...options, ...paths], tarOptions);
  const { stdout: names } = await exec('tar', ['--create', '--verbose', '--file=/dev/null', ...options, ...paths], {
    cwd: repository,
    maxBuffer: 2 ** 26,
  });
  const files = names.split('\n').filter((name) => name !== '' && !name.endsWith('/')).length;
  return { files, tarBytes: stdout.length, gzipBytes: gzipSync(stdout, { level: 6 }).length };
}
