/**
 * `npm run test:harbor [-- --quick] [-- ARGUMENTS OF VITEST]`: the behaviours of Harbor and of what the agent does there, on the real Harbor of
 * `HARBOR_URL`, as its administrator. Does all its own set-up but Harbor. See ../README.md.
 */

import { run, setUp } from '../harness/setup.mjs';

const variables = ['HARBOR_URL', 'HARBOR_USERNAME', 'HARBOR_PASSWORD'];

/** What keeps it from running, in words for whoever asked. */
async function findObstacle(missing) {
  if (missing.length > 0) return missing.join('\n');
  const absent = variables.filter((name) => !process.env[name]);
  if (absent.length > 0) {
    return `${absent.join(', ')} not set: name a Harbor and its administrator. The suite makes projects, robots, a registry endpoint and a scanner there, and removes them at the end.`;
  }
  const { HARBOR_URL: url, HARBOR_USERNAME: username, HARBOR_PASSWORD: password } = process.env;
  if (!URL.canParse(url) || !['http:', 'https:'].includes(new URL(url).protocol)) {
    return `HARBOR_URL is no http or https URL: ${url}`;
  }
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  try {
    // The one address that tells an administrator from everybody else.
    const answer = await fetch(new URL('/api/v2.0/registries?page_size=1', url), {
      headers: { authorization },
      signal: AbortSignal.timeout(30_000),
    });
    if (answer.ok) return undefined;
    return `${url} answers ${answer.status} to ${username}: the suite needs an administrator of Harbor.`;
  } catch (error) {
    return `${url} does not answer: ${error.cause?.message ?? error.message}`;
  }
}

const args = process.argv.slice(2);
const isQuick = args.includes('--quick');
const { missing } = await setUp({ debian: ['docker-registry'] });
const obstacle = await findObstacle(missing);
if (obstacle === undefined) {
  if (isQuick) console.log('NOT RUN with --quick: what a real Harbor takes minutes for (listed as skipped).');
  const rest = args.filter((one) => one !== '--quick');
  const env = { HARBOR_QUICK: isQuick ? '1' : '' };
  process.exitCode = await run('vitest', ['run', '--project', 'harbor', '--reporter', 'verbose', ...rest], env);
} else {
  console.error(obstacle);
  process.exitCode = 1;
}
