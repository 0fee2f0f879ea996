/** `npm run bench [-- NAMES…] [-- OPTIONS]`: does all its own set-up, then measures. See README.md. */

import { run, setUp } from '../harness/setup.mjs';

const { missing } = await setUp({ debian: ['docker-registry', 'runc', 'containerd', 'docker.io'] });
if (missing.length > 0) {
  for (const reason of missing) console.error(reason);
  process.exit(1);
}
const bundled = await run('node', ['agent/bundle.mjs']);
process.exitCode = bundled === 0 ? await run('node', ['test/bench/bench.ts', ...process.argv.slice(2)]) : bundled;
