#!/usr/bin/env node
// Runs the sources of a clone, also when the machine's own Node is too old for them: then with the Node of the npm package
// `node`. So this file keeps to what Node 14 understands.

import { spawn } from 'child_process';
import { existsSync } from 'fs';
import { constants } from 'os';
import { dirname, join } from 'path';
import { fileURLToPath, pathToFileURL } from 'url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const main = join(root, 'agent', 'main.ts');
const bundledNode = join(root, 'node_modules', 'node', 'bin', 'node');

/** The first Node that runs TypeScript as it is and has what undici needs. */
const oldestMajor = 22;
const oldestMinor = 19;

function isOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

function stopHere(message) {
  process.stderr.write(`stevedore: ${message}\n`);
  process.exit(1);
}

if (!existsSync(join(root, 'node_modules', 'commander'))) {
  stopHere(`the npm packages are missing: run 'npm ci' in ${root} first`);
} else if (!isOldNode()) {
  void import(pathToFileURL(main).href);
} else if (!existsSync(bundledNode)) {
  stopHere(
    `Node ${process.versions.node} is too old (at least ${oldestMajor}.${oldestMinor} is needed), and the npm package node, ` +
      `which brings a newer one, is missing: run 'npm ci' in ${root} first`,
  );
} else {
  runWith(bundledNode);
}

/** The signals go over a channel of their own, so that the child can tell them from those that it gets itself. */
function runWith(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (child.connected) child.send({ signal }, () => undefined);
    });
  }
  child.on('error', (error) => stopHere(`cannot start ${node}: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
