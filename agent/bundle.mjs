/**
 * `npm run build`: bundles the agent into dist/ for Node 24, so that the container image needs no node_modules.
 *
 * dist/stevedore.mjs is the start; code behind a dynamic import (a runtime's client library) lies in chunks of its own, which
 * only those who need them load. STEVEDORE_VERSION in the environment wins over the version in package.json.
 */

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What the agent never reaches but its packages load at once; whoever does reach it gets an error. docker-modem's SSH transport
 * would bring ssh2 with its native cpu-features, dockerode's BuildKit session gRPC (18 MB resident), undici's index fetch,
 * WebSocket, mocks and caches (7 MB); supports-color is an optional peer of debug.
 */
const unreached = [
  { importer: /\/docker-modem\//, path: /^\.\/ssh$/ },
  { importer: /\/dockerode\//, path: /^\.\/session$/ },
  { importer: /\/undici\/index\.js$/, path: /^\.\/lib\/(web|mock|cache|interceptor)\// },
  { importer: /\/debug\//, path: /^supports-color$/ },
];

/** Stands in for a module, its exports, their properties and instances, until one is called. */
const toStandIn = (name) => `
  const standIn = new Proxy(function () {}, {
    get: () => standIn,
    construct: () => standIn,
    apply: () => { throw new Error(${JSON.stringify(`${name} is not part of this build`)}); },
  });
  module.exports = standIn;`;

/** @type {import('esbuild').Plugin} */
const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(\.\/|supports-color$)/ }, ({ path, importer }) => {
      if (!unreached.some((part) => part.path.test(path) && part.importer.test(importer))) return undefined;
      return { path: `${path.replace('./', '')} of ${basename(dirname(importer))}`, namespace: 'left-out' };
    });
    onLoad({ filter: /./, namespace: 'left-out' }, ({ path }) => ({ contents: toStandIn(path) }));
  },
};

/**
 * client-node does not say that its modules have no side effects, so all of its generated API would stay. Its Watch takes fetch from
 * undici's index, which is without it here: it gets fetch by itself.
 *
 * @type {import('esbuild').Plugin}
 */
const partsOfClientNode = {
  name: 'parts-of-client-node',
  setup({ onResolve, resolve: resolveImport }) {
    onResolve({ filter: /^(\.|@kubernetes\/client-node|undici$)/ }, async ({ path, importer, pluginData, ...rest }) => {
      const isInside = /\/@kubernetes\/client-node\//.test(importer);
      if (pluginData === partsOfClientNode || !(isInside || path.startsWith('@kubernetes/'))) return undefined;
      const isFetch = path === 'undici' && importer.endsWith('/dist/watch.js');
      const wanted = isFetch ? 'undici/lib/web/fetch/index.js' : path;
      const found = await resolveImport(wanted, { ...rest, importer, pluginData: partsOfClientNode });
      return path === 'undici' ? found : { ...found, sideEffects: false };
    });
  },
};

/**
 * `import 'node:http'` costs 11 MB resident in Node 24: an ES import of a builtin reads every one of its exports, and http's
 * WebSocket is a getter that loads the whole of fetch. require() reads none.
 *
 * @type {import('esbuild').Plugin}
 */
const requireBuiltins = {
  name: 'require-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?[a-z]/ }, ({ path, kind }) => {
      if (kind !== 'import-statement' || !isBuiltin(path)) return undefined;
      return { path: path.replace(/^node:/, ''), namespace: 'builtin' };
    });
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('node:${path}');`,
    }));
  },
};

/** Of our package.json the agent reads the version. */
const versionOnly = (version) => ({
  name: 'version-only',
  setup({ onLoad }) {
    onLoad({ filter: /\/package\.json$/ }, ({ path }) => {
      if (path === join(root, 'package.json')) return { contents: JSON.stringify({ version }), loader: 'json' };
      return undefined;
    });
  },
});

/**
 * @param {{ entry?: string, outdir?: string, version?: string }} [options]
 * @returns the paths and sizes of what was written
 */
export async function buildBundle({
  entry = join(root, 'agent', 'main.ts'),
  outdir = join(root, 'dist'),
  version,
} = {}) {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: { stevedore: entry },
    outdir,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    // All notices are in THIRD-PARTY-LICENSES.
    legalComments: 'none',
    // CommonJS packages call require() for Node's own modules.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    // The second: undici without its experimental second HTTP parser, as Node itself builds it.
    // The last: write-file-atomic names its temporary files after itself, and modules of a bundle have no such name.
    define: { 'process.env.NODE_ENV': '"production"', esbuildDetection: '"1"', __filename: '"write-file-atomic"' },
    plugins: [leaveOut, partsOfClientNode, requireBuiltins, versionOnly(version || manifest.version)],
    metafile: true,
    write: false,
    logLevel: 'warning',
  });

  assertSelfContained(metafile);
  assertNoPackageIsEntry(metafile);
  const licences = await collectLicences(metafile);
  await rm(outdir, { recursive: true, force: true });
  for (const { path, contents } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
  }
  await writeFile(join(outdir, 'THIRD-PARTY-LICENSES'), licences);
  return { outdir, metafile };
}

/** @throws Error naming what the bundle would still look for in node_modules */
function assertSelfContained({ outputs }) {
  const missing = Object.values(outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ external, path }) => external && !isBuiltin(path))
    .map(({ path }) => path);
  if (missing.length > 0) throw new Error(`not bundled: ${[...new Set(missing)].join(', ')}`);
}

/**
 * esbuild 0.28 makes of a dynamic import of a CommonJS package a chunk that has a default export alone: its names are undefined.
 * @throws Error naming the packages
 */
function assertNoPackageIsEntry({ outputs }) {
  const packages = Object.values(outputs)
    .map(({ entryPoint = '' }) => entryPoint)
    .filter((path) => path.includes('node_modules/'));
  if (packages.length > 0) {
    throw new Error(`import() a module of ours that exports what it needs, instead of ${packages.join(', ')}`);
  }
}

/** What the bundled packages want to be passed on, one section a package. */
async function collectLicences({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = new Set(
    inputs
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
      .filter((folder) => folder !== undefined),
  );
  const sections = await Promise.all([...folders].sort().map((folder) => toLicenceSection(join(root, folder))));
  return sections.join(`\n${'-'.repeat(80)}\n\n`);
}

async function toLicenceSection(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return [`${name} ${version} (${license ?? 'licence not declared'})`, ...texts.map((text) => text.trim()), ''].join(
    '\n\n',
  );
}

/** What is loaded with a chunk: itself and all that it imports statically. */
function toLoadedFiles(file, outputs, loaded = new Set()) {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  for (const { path, kind, external } of outputs[file].imports) {
    if (!external && kind === 'import-statement') toLoadedFiles(path, outputs, loaded);
  }
  return loaded;
}

function toReport({ outdir, metafile: { outputs } }) {
  const lines = Object.entries(outputs)
    .filter(([, { entryPoint }]) => entryPoint !== undefined)
    .map(([file, { entryPoint }]) => {
      const loaded = [...toLoadedFiles(file, outputs)];
      const bytes = loaded.reduce((sum, path) => sum + outputs[path].bytes, 0);
      return { entryPoint, bytes, files: loaded.length };
    })
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ entryPoint, bytes, files }) => `${toKib(bytes)}  ${entryPoint} (${files} files)`);
  const total = Object.values(outputs).reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    'What is read when each of these is loaded (what they share counts in each):',
    ...lines,
    `${toKib(total)}  ${relative(process.cwd(), outdir) || '.'}, all ${Object.keys(outputs).length} files`,
    '',
  ].join('\n');
}

function toKib(bytes) {
  return `${(bytes / 1024).toFixed(0).padStart(6)} KiB`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { entry: { type: 'string' }, outdir: { type: 'string' } } });
  const { STEVEDORE_VERSION: version } = process.env;
  const { entry, outdir } = values;
  const bundle = await buildBundle({
    version,
    ...(entry && { entry: resolve(entry) }),
    ...(outdir && { outdir: resolve(outdir) }),
  });
  process.stdout.write(toReport(bundle));
}
