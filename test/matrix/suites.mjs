/**
 * Packages of other Debian suites than the machine's, unpacked into a private folder: an apt configuration of our own, from which
 * nothing can be installed. apt checks every signature as always. Plain JavaScript: see ../harness/setup.mjs.
 */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const runFile = promisify(execFile);

/** Oldest first. */
const suiteNames = ['bookworm', 'trixie', 'forky'];

/**
 * @param {string} folder private to us, kept between runs
 * @param {(message: string) => void} say
 */
export function openSuites(folder, say) {
  let opening;

  /** The machine's own apt stays as it is: no source, no list, no hook of it is touched. */
  async function open() {
    const architecture = await output('dpkg', ['--print-architecture']);
    const own = await findOwnSuite();
    say(`Set-up: reading the package lists of Debian ${suiteNames.join(', ')}`);
    // Keys of suites that are newer than the machine come with the keyring of its own suite, which the keys that it trusts have signed.
    const first = await makeApt(join(folder, 'apt-own'), toSource(own.uri, [own.suite], architecture, own.signedBy));
    const keyring = await first.unpack('debian-archive-keyring', await newestOf(first, 'debian-archive-keyring'));
    const keys = join(keyring, 'usr/share/keyrings/debian-archive-keyring.gpg');
    return makeApt(join(folder, 'apt'), toSource(own.uri, suiteNames, architecture, keys));
  }

  async function makeApt(aptFolder, source) {
    const configuration = join(aptFolder, 'apt.conf');
    const env = { ...process.env, LC_ALL: 'C' };
    // By option, not by APT_CONFIG: what is read last wins over the machine's own configuration.
    const apt = (command, args, options = {}) => output(command, ['-c', configuration, ...args], { env, ...options });
    await mkdir(join(aptFolder, 'lists/partial'), { recursive: true });
    await mkdir(join(aptFolder, 'cache/archives/partial'), { recursive: true });
    await writeFile(join(aptFolder, 'suites.sources'), source);
    await writeFile(configuration, toConfiguration(aptFolder));
    const refusal = await apt('apt-get', ['-q', 'update']).then(
      () => undefined,
      (error) => firstError(error.stderr || error.message),
    );
    return {
      /** Why not every list is there; undefined when all are. */
      refusal,
      async versions(name) {
        const rows = (await apt('apt-cache', ['madison', name])).split('\n').map((row) => row.split('|'));
        return rows
          .filter((row) => row.length === 3)
          .map(([, version, where]) => ({ version: version.trim(), suite: /\s(\S+)\/main /.exec(where)?.[1] ?? '' }));
      },
      unpack: (name, version) => unpack(name, version, apt),
    };
  }

  /** @returns {Promise<string>} the folder with the package's files */
  async function unpack(name, version, apt) {
    const files = join(folder, 'packages', `${name}_${version.replaceAll(':', '%3a')}`);
    if (existsSync(files)) return files;
    say(`Set-up: unpacking ${name} ${version}`);
    const work = await mkdtemp(join(folder, 'unpacking-'));
    try {
      await apt('apt-get', ['-q', 'download', `${name}=${version}`], { cwd: work });
      const archive = (await readdir(work)).find((file) => file.endsWith('.deb'));
      await output('dpkg-deb', ['--extract', join(work, archive), join(work, 'files')]);
      await mkdir(join(folder, 'packages'), { recursive: true });
      await rename(join(work, 'files'), files);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    return files;
  }

  const opened = () => (opening ??= open());
  return {
    /**
     * @param {string} prefix of the upstream version, `1.7.`
     * @returns {Promise<string>} the newest Debian version of the package that begins so. @throws Error that says what there is instead
     */
    async find(name, prefix) {
      const apt = await opened();
      const versions = await apt.versions(name);
      const fitting = versions.find(({ version }) => version.replace(/^\d+:/, '').startsWith(prefix));
      if (fitting !== undefined) return fitting.version;
      const there = versions.map(({ version, suite }) => `${suite} ${version}`).join(', ') || 'none';
      const why = apt.refusal === undefined ? '' : `; apt-get update: ${apt.refusal}`;
      throw new Error(`Debian has no ${name} ${prefix}* today (there is: ${there})${why}`);
    },
    /** The version of `name` in the suite that has `neighbour` in this version; undefined when it has none. */
    async findBeside(name, neighbour, version) {
      const apt = await opened();
      const suites = (await apt.versions(neighbour)).filter((row) => row.version === version).map(({ suite }) => suite);
      return (await apt.versions(name)).find(({ suite }) => suites.includes(suite))?.version;
    },
    unpack: async (name, version) => (await opened()).unpack(name, version),
  };
}

/** The machine's Debian source, as its apt sees it. @throws Error when there is none */
async function findOwnSuite() {
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1];
  const suites = new Set([codename, 'oldstable', 'stable', 'testing', 'unstable', 'sid']);
  const format = '$(RELEASE)|$(COMPONENT)|$(REPO_URI)|$(SOURCESENTRY)';
  const rows = (await output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])).split('\n');
  for (const [suite, component, uri, entry] of rows.map((row) => row.split('|'))) {
    if (suites.has(suite) && component === 'main') return { suite, uri, signedBy: await readSignedBy(entry ?? '') };
  }
  throw new Error('the sources of this machine’s apt name no Debian suite');
}

/** apt tells which file a source stands in, not which key it names. */
async function readSignedBy(entry) {
  const text = await readFile(entry.replace(/:\d+$/, ''), 'utf8').catch(() => '');
  return /^Signed-By:\s*(\/\S+)/im.exec(text)?.[1] ?? /\[[^\]]*signed-by=(\/[^\s\]]+)/i.exec(text)?.[1];
}

function toSource(uri, suites, architecture, signedBy) {
  const signature = signedBy === undefined ? '' : `Signed-By: ${signedBy}\n`;
  return `Types: deb\nURIs: ${uri}\nSuites: ${suites.join(' ')}\nComponents: main\nArchitectures: ${architecture}\n${signature}`;
}

/** The rest, such as proxies, is the machine's. A list that cannot be had is an error, not a warning as by default. */
function toConfiguration(folder) {
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success'];
  return `${hooks.map((hook) => `#clear ${hook};\n`).join('')}
Dir::Etc::sourcelist "${folder}/suites.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State "${folder}";
Dir::State::status "/dev/null";
Dir::Cache "${folder}/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Update::Error-Mode "any";
`;
}

async function newestOf(apt, name) {
  const [newest] = await apt.versions(name);
  if (newest === undefined)
    throw new Error(`no ${name} in the machine's own suite; apt-get update: ${apt.refusal ?? 'ok'}`);
  return newest.version;
}

async function output(command, args, options = {}) {
  return (await runFile(command, args, { maxBuffer: 64 * 1024 * 1024, ...options })).stdout.trim();
}

/** apt's last line only says that something failed. */
function firstError(text) {
  const lines = text.trim().split('\n');
  return lines.find((line) => line.startsWith('E:')) ?? lines.at(-1);
}
