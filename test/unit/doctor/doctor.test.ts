import { expect, test } from 'vitest';
import { type Finding, toDoctorReport, worstLevel } from '../../../agent/core/doctor-report.ts';
import { Failure } from '../../../agent/core/failure.ts';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { tellConfiguration, tellMistakes } from '../../../agent/doctor/configuration-check.ts';
import { attempt, runGroup } from '../../../agent/doctor/doctor.ts';
import { findingsOf, tellOf } from './findings.ts';

const finding = (level: Finding['level']): Finding => ({ check: 'runtime', level, message: 'x' });

test('the worst level counts; what is not checked is no worse than a warning', () => {
  expect(worstLevel([])).toBe('ok');
  expect(worstLevel([finding('ok'), finding('not_checked')])).toBe('not_checked');
  expect(worstLevel([finding('warning'), finding('not_checked')])).toBe('warning');
  expect(toDoctorReport([finding('failure'), finding('ok')])).toMatchObject({ version: 1, worst: 'failure' });
});

test('whatever breaks in a group is a finding under its name', async () => {
  const run = () => Promise.reject(new Failure('network', 'no connection'));
  expect(await tellOf((tell, signal) => runGroup({ check: 'harbor', subject: 'h', run }, tell, signal))).toEqual([
    'failure harbor h: no connection',
  ]);
  expect(await tellOf((tell, signal) => runGroup({ check: 'harbor', run }, tell, signal))).toEqual([
    'failure harbor: no connection',
  ]);
});

test('a group that hangs ends at its time, and says so', async () => {
  const hang = (_tell: unknown, signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  expect(await tellOf((tell, signal) => runGroup({ check: 'harbor', timeoutMs: 10, run: hang }, tell, signal))).toEqual(
    ['failure harbor: no answer within 0.01 s'],
  );
});

test('an interrupted group is no finding', async () => {
  const reason = new Error('stopped by SIGINT');
  const run = () => Promise.reject(new Error('of the abort'));
  const signal = AbortSignal.abort(reason);
  await expect(runGroup({ check: 'harbor', run }, () => undefined, signal)).rejects.toBe(reason);
  await expect(attempt({ check: 'harbor' }, () => undefined, signal, run)).rejects.toBe(reason);
});

test('a configuration is told by what is in it, its mistakes one by one with their lines', async () => {
  const text = `
registries: [{ host: h.example, harbor: true }]
imageSets:
  - { name: a, images: [busybox:1, redis:8] }
  - { name: b, images: [busybox:1, { repository: h.example/ml/* }] }
`;
  const parsed = parseConfiguration(text, 'c.yaml');
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.mistakes));
  expect(await tellOf((tell) => tellConfiguration(parsed.configuration, 'c.yaml', tell))).toEqual([
    'ok configuration c.yaml: 2 image sets, 2 images, 1 repository pattern, 1 Harbor',
  ]);
  const broken = parseConfiguration('imageSets:\n  - { name: a, images: [":"] }\nwhat: 1\n', 'c.yaml');
  if (broken.ok) throw new Error('no mistakes');
  const found = await findingsOf((tell) => tellMistakes(broken.mistakes, 'c.yaml', 'failure', tell));
  expect(found).toHaveLength(2);
  for (const one of found) {
    expect(one).toMatchObject({
      check: 'configuration',
      level: 'failure',
      subject: 'c.yaml',
      advice: expect.stringContaining('stevedore check'),
    });
    expect(one.message).not.toContain('c.yaml');
  }
  expect(found.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^line 2: imageSets\[0\]\.images\[0\]: ":"/),
  );
});
