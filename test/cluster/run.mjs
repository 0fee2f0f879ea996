/**
 * `npm run test:cluster [-- ARGUMENTS OF VITEST]`: what the agent and the manifests do on a real API server, the one of KUBECONFIG, as its
 * administrator. Does all its own set-up but kubectl. See ../README.md.
 */

import { spawnSync } from 'node:child_process';
import { run, setUp, testPackages } from '../harness/setup.mjs';

const kubectl = (...args) => spawnSync('kubectl', args, { encoding: 'utf8', timeout: 30_000 });

/** What keeps it from running, in words for whoever asked. */
function findObstacle(missing) {
  if (missing.length > 0) return missing.join('\n');
  if (!process.env.KUBECONFIG) {
    return 'KUBECONFIG is not set: name the kubeconfig of an administrator. The suite makes the namespace stevedore and removes it at the end.';
  }
  const version = kubectl('version', '--client');
  if (version.error !== undefined) return 'kubectl is not on the PATH.';
  const ready = kubectl('get', '--raw', '/readyz');
  return ready.status === 0 ? undefined : `The API server of KUBECONFIG does not answer: ${ready.stderr.trim()}`;
}

const { missing } = await setUp({ debian: testPackages });
const obstacle = findObstacle(missing);
if (obstacle === undefined) {
  process.exitCode = await run('vitest', ['run', '--project', 'cluster', ...process.argv.slice(2)]);
} else {
  console.error(obstacle);
  process.exitCode = 1;
}
