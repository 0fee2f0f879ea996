import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { DoctorOptions } from '../../../agent/diagnose.ts';
import { type Finding, toDoctorReport } from '../../../agent/core/doctor-report.ts';
import { runStevedore } from './command-line.ts';

const findings: readonly Finding[] = [
  { check: 'runtime', level: 'ok', message: 'containerd 2.1.5, overlayfs' },
  {
    check: 'containerd_config',
    level: 'failure',
    subject: '/etc/containerd/config.toml',
    message: 'config_path is a list, which containerd 2.1.5 takes for one folder',
    advice: 'set config_path to one folder and restart containerd',
  },
  { check: 'clock', level: 'warning', subject: 'h.example', message: 'is 12 s ahead' },
  { check: 'kubelet', level: 'not_checked', message: "only the host's own files show it" },
];

async function run(argv: readonly string[], told: readonly Finding[] = findings, columns?: number) {
  let asked: DoctorOptions | undefined;
  const ran = await runStevedore(['doctor', ...argv], {
    ...(columns === undefined ? {} : { columns }),
    diagnose: (_settings, _parts, options, onFinding) => {
      asked = options;
      told.forEach(onFinding);
      return Promise.resolve(toDoctorReport(told));
    },
  });
  return { ...ran, stdout: stripVTControlCharacters(ran.stdout), asked };
}

describe('stevedore doctor', () => {
  test('exits by the worst finding; what is not checked does not count', async () => {
    for (const [levels, exitCode] of [
      [[], 0],
      [['ok', 'not_checked'], 0],
      [['ok', 'warning', 'not_checked'], 3],
      [['warning', 'failure'], 1],
    ] as const) {
      const told = levels.map((level): Finding => ({ check: 'runtime', level, message: 'x' }));
      expect([levels, (await run([], told)).exitCode, (await run(['--json'], told)).exitCode]).toEqual([
        levels,
        exitCode,
        exitCode,
      ]);
    }
  });

  test('writes one line for each finding where it is no terminal', async () => {
    expect((await run([])).stdout).toBe(
      [
        'ok           runtime            containerd 2.1.5, overlayfs',
        'failure      containerd config  /etc/containerd/config.toml: config_path is a list, which containerd 2.1.5 takes for one folder → set config_path to one folder and restart containerd',
        'warning      clock              h.example: is 12 s ahead',
        "not checked  kubelet            only the host's own files show it",
        '',
        '1 failure, 1 warning, 1 ok, 1 not checked',
        '',
      ].join('\n'),
    );
  });

  test('wraps below the message on a terminal, and puts the message below its name on a narrow one', async () => {
    const wide = (await run([], findings, 90)).stdout.split('\n');
    expect(wide.slice(1, 5)).toEqual([
      'failure      containerd config  /etc/containerd/config.toml: config_path is a list, which',
      '                                containerd 2.1.5 takes for one folder',
      '                                → set config_path to one folder and restart containerd',
      'warning      clock              h.example: is 12 s ahead',
    ]);
    const narrow = (await run([], findings, 50)).stdout.split('\n');
    expect(narrow.slice(2, 5)).toEqual([
      'failure      containerd config',
      '    /etc/containerd/config.toml: config_path is a',
      '    list, which containerd 2.1.5 takes for one',
    ]);
    for (const line of [...wide, ...narrow]) expect(line).toBe(line.trimEnd());
    expect(Math.max(...wide.map(({ length }) => length))).toBeLessThanOrEqual(90);
    expect(Math.max(...narrow.map(({ length }) => length))).toBeLessThanOrEqual(50);
  });

  test('prints one JSON document', async () => {
    const { stdout } = await run(['--json']);
    expect(JSON.parse(stdout)).toEqual({ version: 1, worst: 'failure', findings });
  });

  test('hands its options on, and refuses what they cannot be', async () => {
    expect((await run([])).asked).toEqual({ hostRoot: undefined, pull: undefined });
    const { asked } = await run(['--host-root', '/host', '--pull', 'busybox:1']);
    expect(asked).toEqual({
      hostRoot: '/host',
      pull: { registry: 'docker.io', repository: 'library/busybox', tag: '1', digest: undefined },
    });
    const wrong = await run(['--pull', 'https://x']);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
    expect(wrong.stderr).toContain('--pull "https://x"');
    expect((await run(['--host-root', ''])).exitCode).toBe(2);
  });

  test('its exit codes are in its help', async () => {
    expect((await run(['--help'])).stdout).toMatch(/Exit code 0: .* ok; 3: a warning is the worst; 1: a failure is/);
  });
});
