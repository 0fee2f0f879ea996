/** `npm run test:soak [-- PARTS…] [-- OPTIONS]`: does all its own set-up, then runs what takes minutes to hours. See ../README.md. */

import { run, setUp, testPackages } from '../harness/setup.mjs';

const { missing } = await setUp({ debian: testPackages });
if (missing.length > 0) {
  for (const reason of missing) console.error(reason);
  process.exit(1);
}
process.exitCode = await run('node', ['test/soak/soak.ts', ...process.argv.slice(2)]);
