/** `npm run demo [-- --runtime docker] [-- --keep]`: does all its own set-up, then shows the real agent at work. */

import { run, setUp } from '../harness/setup.mjs';

const args = process.argv.slice(2);
const usage = 'usage: npm run demo -- [--runtime containerd|docker] [--keep]';
const runtimeAt = args.indexOf('--runtime');
const runtime = runtimeAt < 0 ? 'containerd' : args[runtimeAt + 1];
const known = args.every(
  (arg, at) => arg === '--keep' || arg === '--runtime' || (runtimeAt >= 0 && at === runtimeAt + 1),
);
if (!known || !['containerd', 'docker'].includes(runtime)) {
  console.error(usage);
  process.exit(2);
}

const daemon = runtime === 'docker' ? 'docker.io' : 'containerd';
const { missing } = await setUp({ debian: ['busybox-static', 'docker-registry', 'e2fsprogs', 'runc', daemon] });
if (missing.length > 0) {
  for (const reason of missing) console.error(reason);
  process.exit(1);
}
process.exitCode = await run('node', ['test/demo/demo.ts', runtime, ...(args.includes('--keep') ? ['--keep'] : [])]);
