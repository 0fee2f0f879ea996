import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCluster } from '../../../agent/commands/cluster-options.ts';
import { createFindGiven } from '../../../agent/commands/option-values.ts';
import type { ClusterSettings, Settings } from '../../../agent/settings.ts';
import { runStevedore } from './command-line.ts';

const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' };
const inCluster = { ...pod, STEVEDORE_NODE_NAME: 'gpu-1' };

async function settingsOf(argv: readonly string[], environment: Record<string, string>): Promise<Settings> {
  const { settings, stderr } = await runStevedore([...argv], { environment, agent: { run: () => Promise.resolve() } });
  if (settings === undefined) throw new Error(stderr);
  return settings;
}

/** Every option: how it is written both ways, and what comes of it. */
const options: readonly [option: string, value: string, variable: string, expected: Partial<ClusterSettings>][] = [
  ['--node-name', 'gpu-7.example.com', 'STEVEDORE_NODE_NAME', { nodeName: 'gpu-7.example.com' }],
  ['--kubeconfig', '/a/kubeconfig', 'STEVEDORE_KUBECONFIG', { kubeconfig: '/a/kubeconfig' }],
  ['--namespace', 'images', 'STEVEDORE_NAMESPACE', { namespace: 'images' }],
  ['--config-map', 'images.v2', 'STEVEDORE_CONFIG_MAP', { configMap: 'images.v2' }],
  ['--gate-taint', 'example.com/images', 'STEVEDORE_GATE_TAINT', { gateTaint: 'example.com/images' }],
];

describe('in a cluster', () => {
  it('is who is given the name of a Node; the rest has defaults', async () => {
    const { nodeName, cluster } = await settingsOf(['run'], inCluster);
    expect({ nodeName, cluster }).toEqual({
      nodeName: 'gpu-1',
      cluster: {
        nodeName: 'gpu-1',
        kubeconfig: undefined,
        namespace: 'stevedore',
        configMap: 'stevedore',
        gateTaint: undefined,
      },
    });
  });

  it('is nobody else, not even a pod', async () => {
    const { nodeName, cluster } = await settingsOf(['run'], pod);
    expect({ nodeName, cluster }).toEqual({ nodeName: hostname().toLowerCase(), cluster: undefined });
  });

  it('a kubeconfig does in place of a pod', async () => {
    const { cluster } = await settingsOf(['run', '--node-name', 'gpu-1', '--kubeconfig', '/a/kubeconfig'], {});
    expect(cluster).toMatchObject({ nodeName: 'gpu-1', kubeconfig: '/a/kubeconfig', namespace: 'stevedore' });
  });

  it.each(options)('%s is taken from the command line and from %s %s', async (option, value, variable, expected) => {
    expect((await settingsOf([option, value, 'run'], inCluster)).cluster).toMatchObject(expected);
    expect((await settingsOf(['run', `${option}=${value}`], { ...inCluster, [variable]: 'b' })).cluster).toMatchObject(
      expected,
    );
    expect((await settingsOf(['run'], { ...inCluster, [variable]: value })).cluster).toMatchObject(expected);
  });

  it.each(options)('%s and its variable are in the help', async (option, _value, variable) => {
    const { stdout } = await runStevedore(['--help'], { columns: 400 });
    expect(stdout).toMatch(new RegExp(`${option} .*env: ${variable}`));
  });

  it.each([
    [['--config', '/a'], {}, '--config "/a": has no effect with --node-name'],
    [['--label', 'a=b'], {}, '--label "a=b": has no effect with --node-name'],
    [['--labels-file', '/a'], {}, '--labels-file "/a": has no effect with --node-name'],
    [[], { STEVEDORE_CONFIG: '/a' }, 'STEVEDORE_CONFIG "/a": has no effect with --node-name'],
    [[], { STEVEDORE_LABELS: 'a=b' }, 'STEVEDORE_LABELS "a=b": has no effect with --node-name'],
    [[], { STEVEDORE_LABELS_FILE: '/a' }, 'STEVEDORE_LABELS_FILE "/a": has no effect with --node-name'],
    [['--node-name', 'Node_1'], {}, '--node-name "Node_1": must be a DNS name in lower case'],
    [['--node-name', 'a..b'], {}, '--node-name "a..b": must be a DNS name in lower case'],
    [[], { STEVEDORE_NODE_NAME: '-' }, 'STEVEDORE_NODE_NAME "-": must be a DNS name in lower case'],
    [['--namespace', 'a.b'], {}, '--namespace "a.b": must be a DNS label in lower case of at most 63 characters'],
    [[], { STEVEDORE_NAMESPACE: 'A' }, 'STEVEDORE_NAMESPACE "A": must be a DNS label'],
    [['--config-map', 'a_b'], {}, '--config-map "a_b": must be a DNS name in lower case'],
    [['--gate-taint', 'a b'], {}, '--gate-taint "a b": a taint key must consist of'],
    [['--gate-taint', 'X_/a'], {}, '--gate-taint "X_/a": the part of a taint key before / must be a DNS name'],
    [['--kubeconfig', ''], {}, '--kubeconfig "": must be a path'],
  ])('%j %j is refused by name, value and rule', async (argv, environment, message) => {
    const { exitCode, stderr, stdout } = await runStevedore(['run', ...argv], {
      environment: { ...inCluster, ...environment },
    });
    expect(stderr).toContain(`stevedore: ${message}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it('says what is missing where there is no API server to go to', async () => {
    const { exitCode, stderr } = await runStevedore(['run', '--node-name', 'gpu-1'], { environment: {} });
    expect(stderr).toContain('--node-name "gpu-1": the API server is not known: give --kubeconfig, or run in a pod');
    expect(exitCode).toBe(2);
  });

  it('check asks for a file, and tells where to get one', async () => {
    const { exitCode, stderr } = await runStevedore(['check', '--namespace', 'images'], { environment: inCluster });
    expect(stderr).toContain(
      "kubectl get configmap -n images stevedore -o jsonpath='{.data.config\\.yaml}' | stevedore check -",
    );
    expect(exitCode).toBe(2);
  });

  it('check takes a file as everywhere', async () => {
    const { exitCode, stdout } = await runStevedore(['check', '/dev/null'], { environment: inCluster });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '/dev/null: ok, 0 image sets, 0 images\n' });
  });
});

describe('without a Node', () => {
  it.each(options.slice(1))('%s has no effect, and neither has its variable', async (option, value, variable) => {
    const byOption = await runStevedore(['run', option, value], { environment: pod });
    const byVariable = await runStevedore(['run'], { environment: { ...pod, [variable]: value } });
    const rule = 'has an effect only in a cluster, that is with --node-name';
    expect(byOption).toMatchObject({ exitCode: 2, stderr: `stevedore: ${option} "${value}": ${rule}\n` });
    expect(byVariable).toMatchObject({ exitCode: 2, stderr: `stevedore: ${variable} "${value}": ${rule}\n` });
  });
});

describe('the namespace', () => {
  let account: string;
  beforeEach(async () => {
    account = await mkdtemp(join(tmpdir(), 'stevedore-account-'));
    await writeFile(join(account, 'namespace'), 'images\n');
  });
  afterEach(() => rm(account, { recursive: true }));

  const parse = (given: { namespace?: string; kubeconfig?: string }, dir: string) =>
    parseCluster({ nodeName: 'gpu-1', ...given }, createFindGiven({}), pod, dir)?.namespace;

  it("is the pod's own unless another is given", () => {
    expect(parse({}, account)).toBe('images');
    expect(parse({ namespace: 'other' }, account)).toBe('other');
  });

  it('is stevedore where no account is mounted, and with a kubeconfig', () => {
    expect(parse({}, join(account, 'none'))).toBe('stevedore');
    expect(parse({ kubeconfig: '/a' }, account)).toBe('stevedore');
  });
});
