import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Settings } from '../../../agent/settings.ts';
import { runStevedore } from './command-line.ts';

async function settingsOf(argv: readonly string[], environment: Record<string, string> = {}): Promise<Settings> {
  const { settings, stderr } = await runStevedore([...argv], { environment, agent: { run: () => Promise.resolve() } });
  if (settings === undefined) throw new Error(stderr);
  return settings;
}

/** Every option: how it is written both ways, and what comes of it. */
const options: readonly [option: string, value: string, variable: string, expected: Partial<Settings>][] = [
  ['--config', '/a/config.yaml', 'STEVEDORE_CONFIG', { configFile: '/a/config.yaml' }],
  ['--label', 'zone=a', 'STEVEDORE_LABELS', { labels: { zone: 'a' } }],
  ['--labels-file', '/a/labels', 'STEVEDORE_LABELS_FILE', { labelsFile: '/a/labels' }],
  ['--runtime', 'containerd', 'STEVEDORE_RUNTIME', { runtime: 'containerd' }],
  ['--endpoint', 'unix:///run/x.sock', 'STEVEDORE_ENDPOINT', { endpoint: 'unix:///run/x.sock' }],
  ['--image-filesystem', '/images', 'STEVEDORE_IMAGE_FILESYSTEM', { imageFilesystem: '/images' }],
  ['--own-image', 'agent:1', 'STEVEDORE_OWN_IMAGE', { ownImage: 'docker.io/library/agent:1' }],
  ['--state-dir', '/a/state', 'STEVEDORE_STATE_DIR', { stateDir: '/a/state' }],
  ['--listen', '[::1]:80', 'STEVEDORE_LISTEN', { listen: { host: '::1', port: 80 } }],
  ['--log-level', 'warn', 'STEVEDORE_LOG_LEVEL', { logLevel: 'warn' }],
];

describe('the settings', () => {
  it('have the documented defaults', async () => {
    expect(await settingsOf(['run'])).toEqual({
      configFile: '/etc/stevedore/config.yaml',
      labels: {},
      labelsFile: undefined,
      nodeName: hostname().toLowerCase(),
      cluster: undefined,
      runtime: 'auto',
      endpoint: undefined,
      imageFilesystem: undefined,
      ownImage: undefined,
      stateDir: '/var/lib/stevedore',
      listen: { host: '127.0.0.1', port: 9746 },
      logLevel: 'info',
    });
  });

  it.each(options)(
    '%s is taken before and after the command and from the environment',
    async (option, value, variable, expected) => {
      expect(await settingsOf([option, value, 'run'])).toMatchObject(expected);
      expect(await settingsOf(['run', option, value])).toMatchObject(expected);
      expect(await settingsOf(['run', `${option}=${value}`])).toMatchObject(expected);
      expect(await settingsOf(['run'], { [variable]: value })).toMatchObject(expected);
    },
  );

  it.each(options)(
    '%s wins over its variable, and an empty variable is none',
    async (option, value, variable, expected) => {
      const other = { STEVEDORE_LABELS: 'zone=b', STEVEDORE_LISTEN: '0.0.0.0:1', STEVEDORE_RUNTIME: 'docker' }[
        variable
      ];
      const elsewhere =
        other ?? { STEVEDORE_LOG_LEVEL: 'error', STEVEDORE_ENDPOINT: 'unix:///y' }[variable] ?? '/elsewhere';
      expect(await settingsOf(['run', option, value], { [variable]: elsewhere })).toMatchObject(expected);
      expect(await settingsOf(['run'], { [variable]: '' })).toEqual(await settingsOf(['run']));
    },
  );

  it.each(options)('%s and its variable are in the help', async (option, _value, variable) => {
    const { stdout } = await runStevedore(['--help'], { columns: 400 });
    expect(stdout).toMatch(new RegExp(`${option} .*env: ${variable}`));
  });

  it('put the labels of command line and environment together, key by key', async () => {
    const { labels } = await settingsOf(['--label', 'a=1', 'run', '--label', 'b=', '--label=c=x'], {
      STEVEDORE_LABELS: 'a=0, d=4,example.com/e=5,',
    });
    expect(labels).toEqual({ a: '1', b: '', c: 'x', d: '4', 'example.com/e': '5' });
  });

  it.each([
    [['--runtime', 'dokcer'], {}, '--runtime "dokcer": must be one of auto, docker, containerd, cri'],
    [[], { STEVEDORE_RUNTIME: 'dokcer' }, 'STEVEDORE_RUNTIME "dokcer": must be one of auto, docker, containerd, cri'],
    [['--log-level', 'loud'], {}, '--log-level "loud": must be one of trace, debug, info, warn, error, silent'],
    [['--listen', '9746'], {}, '--listen "9746": must be HOST:PORT'],
    [[], { STEVEDORE_LISTEN: 'a:99999' }, 'STEVEDORE_LISTEN "a:99999": must be HOST:PORT'],
    [['--label', 'novalue'], {}, '--label "novalue": must be KEY=VALUE'],
    [['--label', '=x'], {}, '--label "=x": must be KEY=VALUE'],
    [['--label', 'a b=c'], {}, '--label "a b=c": a label key must consist of'],
    [[], { STEVEDORE_LABELS: 'a=b,c' }, 'STEVEDORE_LABELS "c": must be KEY=VALUE'],
    [
      ['--endpoint', '/run/x.sock'],
      {},
      '--endpoint: "/run/x.sock" is not a runtime endpoint: it must start with unix://',
    ],
    [
      [],
      { STEVEDORE_ENDPOINT: 'tcp://x' },
      'STEVEDORE_ENDPOINT: "tcp://x" is not a runtime endpoint: only unix:// sockets',
    ],
    [['--config', ''], {}, '--config "": must be a path'],
    [['--own-image', ''], {}, '--own-image "": must be an image reference: it is empty'],
    [[], { STEVEDORE_OWN_IMAGE: 'Agent:1' }, 'STEVEDORE_OWN_IMAGE "Agent:1": must be an image reference: '],
  ])('name option or variable, value and rule: %j %j', async (argv, environment, message) => {
    const { exitCode, stderr, stdout } = await runStevedore(['run', ...argv], { environment });
    expect(stderr).toContain(`stevedore: ${message}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});

describe('the usage', () => {
  it.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['plan', '--jsn'], "unknown option '--jsn'\n(Did you mean --json?)"],
    [['run', 'now'], 'too many arguments'],
    [['run', '--config'], "option '--config <file>' argument missing"],
  ])('%j is refused with exit code 2, on standard error, without a stack trace', async (argv, message) => {
    const { exitCode, stderr, stdout } = await runStevedore(argv);
    expect(stderr).toContain(`stevedore: ${message}`);
    expect(stderr).toContain("Run 'stevedore --help'");
    expect(stderr).not.toMatch(/^\s+at /m);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it('shows the help on standard error when no command is given', async () => {
    const { exitCode, stderr, stdout } = await runStevedore([]);
    expect(stderr).toContain('Usage: stevedore');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });

  it.each([
    [['--help']],
    [['run', '--help']],
    [['check', '-h']],
    [['help', 'plan']],
    [['pull', '--help']],
    [['prune', '--help']],
  ])('%j shows help with examples on standard output', async (argv) => {
    const { exitCode, stdout, stderr } = await runStevedore(argv);
    expect(stdout).toMatch(/Usage: stevedore[\s\S]*Examples:\n {2}/);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});
