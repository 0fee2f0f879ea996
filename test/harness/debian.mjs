/** Installs Debian packages without starting a service and without removing anything. Plain JavaScript: see setup.mjs. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Package scripts ask this program before they start a service; 101 is "not allowed" (Debian policy, invoke-rc.d). */
const policyFile = '/usr/sbin/policy-rc.d';
const policy = '#!/bin/sh\n# Written by the tests of Stevedore while they install packages.\nexit 101\n';

/**
 * @param {string[]} names
 * @param {(command: string, args: string[], env: object) => Promise<number>} run
 * @returns {Promise<string | undefined>} why they could not be installed
 */
export async function installPackages(names, run) {
  if (!existsSync('/etc/debian_version')) return 'this is not Debian, please install it by hand';
  if (process.getuid() !== 0) return 'only root can install it';
  const refusal = forbidServices();
  if (refusal !== undefined) return refusal;
  console.log(`Set-up: installing Debian packages, without starting any service: ${names.join(' ')}`);
  const allow = () => allowServices();
  process.on('exit', allow);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  // Ctrl-C reaches apt-get too: it ends, and then so do we, with the file removed.
  const wait = () => undefined;
  for (const signal of signals) process.on(signal, wait);
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const options = ['-qq', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0'];
    const updated = await run('apt-get', [...options, 'update'], env);
    if (updated !== 0) return `apt-get update ended with exit code ${updated}`;
    // Since Debian 13 Docker's command line is a package of its own.
    const all = names.includes('docker.io') && isKnown('docker-cli') ? [...names, 'docker-cli'] : names;
    // Without --no-remove, Debian's packages would push out Docker's own.
    const flags = [...options, '--yes', '--no-remove', '--no-install-recommends'];
    const installed = await run('apt-get', [...flags, 'install', ...all], env);
    return installed === 0 ? undefined : `apt-get install ended with exit code ${installed}`;
  } finally {
    allowServices();
    process.off('exit', allow);
    for (const signal of signals) process.off(signal, wait);
  }
}

/** @returns why services cannot be kept from starting */
function forbidServices() {
  if (existsSync(policyFile)) {
    if (spawnSync(policyFile, ['docker', 'start']).status === 101) return undefined;
    return `${policyFile} of this machine would let its service start`;
  }
  writeFileSync(policyFile, policy, { mode: 0o755 });
  return undefined;
}

/** Also takes away what an earlier run left that was killed; never a file of the machine's owner. */
function allowServices() {
  if (existsSync(policyFile) && readFileSync(policyFile, 'utf8') === policy) rmSync(policyFile, { force: true });
}

function isKnown(name) {
  return spawnSync('apt-cache', ['show', name], { stdio: 'ignore' }).status === 0;
}
