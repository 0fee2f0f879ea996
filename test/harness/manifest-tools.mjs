/**
 * kustomize and helm, which render the manifests: from the PATH, else built once by the machine's Go into `.cache/tools` (remove it to
 * build them again). Plain JavaScript without dependencies: see setup.mjs.
 */

import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const runFile = promisify(execFile);
const folder = fileURLToPath(new URL('../../.cache/tools', import.meta.url));

/** Newer ones ask for a newer Go. */
const tools = {
  kustomize: { module: 'sigs.k8s.io/kustomize/kustomize/v5', version: 'v5.8.1', major: 5, ask: ['version'] },
  helm: { module: 'helm.sh/helm/v3/cmd/helm', version: 'v3.19.4', major: 3, ask: ['version', '--short'] },
};
const oldestGo = [1, 24];
/** On two busy cores it has taken two minutes. */
const buildTimeoutMs = 600_000;

/**
 * Finds the programs, and builds those that are missing where that is possible. Several processes may call it at once: one builds.
 * @param {(message: string) => void} say
 * @returns {Promise<{ kustomize?: string, helm?: string, reason?: string }>} their paths, or why they are not there
 */
export async function provideManifestTools(say) {
  const found = await findAll();
  const missing = Object.keys(tools).filter((name) => found[name] === undefined);
  if (missing.length === 0) return found;
  const go = await findGo();
  if (go.reason !== undefined) return { reason: `${missing.join(' and ')} not found, and ${go.reason}` };
  mkdirSync(folder, { recursive: true });
  return await locked(async () => {
    const paths = { ...(await findAll()) };
    for (const name of missing.filter((one) => paths[one] === undefined)) {
      const { module, version } = tools[name];
      say(`Set-up: building ${name} ${version} with Go, once; this takes a minute or two`);
      const failure = await build(go.path, name);
      if (failure !== undefined) return { reason: `${name} could not be built: ${module}@${version}: ${failure}` };
      paths[name] = built(name);
    }
    return paths;
  });
}

async function findAll() {
  const paths = {};
  for (const [name, { major, ask }] of Object.entries(tools)) {
    const candidates = [...onPath(name), ...(exists(built(name)) ? [built(name)] : [])];
    for (const candidate of candidates) {
      const printed = await runFile(candidate, ask, { timeout: 30_000 }).then(
        ({ stdout }) => stdout,
        () => '',
      );
      // A build of one's own calls itself (devel) or says the major version alone.
      const version = /v(\d+)[.\s]/.exec(`${printed} `)?.[1];
      if (Number(version) >= major || printed.includes('devel')) {
        paths[name] = candidate;
        break;
      }
    }
  }
  return paths;
}

const built = (name) => join(folder, `${name}-${tools[name].version}`);

function onPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((one) => one !== '');
  return folders.map((one) => join(one, name)).filter(exists);
}

const exists = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

async function findGo() {
  for (const path of [...onPath('go'), '/usr/local/go/bin/go'].filter(exists)) {
    const { stdout } = await runFile(path, ['env', 'GOVERSION'], { timeout: 30_000 }).catch(() => ({ stdout: '' }));
    const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout) ?? [];
    if (Number(major) > oldestGo[0] || (Number(major) === oldestGo[0] && Number(minor) >= oldestGo[1])) return { path };
  }
  return { reason: `there is no Go ${oldestGo.join('.')} or newer to build them` };
}

/** Why it failed, in one line; undefined when it is there. */
async function build(go, name) {
  const { module, version } = tools[name];
  const bin = join(folder, `bin-${process.pid}`);
  // A Go of the machine's own, and nothing of a workspace around us.
  const env = {
    ...process.env,
    GOBIN: bin,
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GOFLAGS: '-buildvcs=false',
    CGO_ENABLED: '0',
  };
  try {
    const { code, text } = await runToEnd(
      go,
      ['install', '-p', String(Math.min(2, cpus().length)), `${module}@${version}`],
      env,
    );
    if (code !== 0) return text.trim().split('\n').at(-1) ?? `exit code ${code}`;
    renameSync(join(bin, name), built(name));
    return undefined;
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
}

function runToEnd(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: buildTimeoutMs });
    let text = '';
    child.stderr.on('data', (chunk) => {
      text = `${text}${chunk}`.slice(-4_000);
    });
    child.on('error', (error) => resolve({ code: 127, text: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, text: code === null ? 'it took too long' : text }));
  });
}

/** A lock older than a build can take was left by a process that was killed. */
async function locked(work) {
  const lock = join(folder, 'lock');
  for (;;) {
    try {
      closeSync(openSync(lock, 'wx'));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > 2 * buildTimeoutMs) rmSync(lock, { force: true });
      await wait(500);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}
