import { expect, test } from 'vitest';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { type LogFields, silentLogger } from '../../../agent/core/logger.ts';
import { NodeInputs } from '../../../agent/work/node-inputs.ts';

test('what a configuration probably does not mean is logged when it is accepted, one line each', () => {
  const logged: (LogFields & { readonly message: string })[] = [];
  const accepted: unknown[] = [];
  const inputs = new NodeInputs({
    configurationSource: '/etc/config.yaml',
    labelsSource: '--label',
    recorder: { configurationLoaded: () => undefined },
    log: { ...silentLogger, warn: (fields, message) => logged.push({ ...fields, message }) },
    onConfiguration: (configuration) => accepted.push(configuration),
    onNode: () => undefined,
    onProblem: () => undefined,
  });
  const parsed = parseConfiguration('prune:\n  unusedFor: 0s\n  keep: ["*"]\n', '/etc/config.yaml');
  if (!parsed.ok) throw new Error('must be accepted');

  inputs.acceptConfiguration(parsed.configuration, parsed.warnings);

  expect(accepted).toEqual([parsed.configuration]);
  expect(logged).toMatchObject([
    { source: '/etc/config.yaml', path: 'prune.unusedFor', value: '0s', line: 2 },
    { source: '/etc/config.yaml', path: 'prune.keep[0]', value: '*', line: 3 },
  ]);
});

test('what is kept of earlier times is in force, and does not count as loaded', () => {
  const loads: boolean[] = [];
  const inForce: unknown[] = [];
  const inputs = new NodeInputs({
    configurationSource: 'configmap stevedore/stevedore',
    labelsSource: 'node gpu-1',
    recorder: { configurationLoaded: (accepted) => loads.push(accepted) },
    log: silentLogger,
    onConfiguration: (configuration) => inForce.push(configuration),
    onNode: () => undefined,
    onProblem: () => undefined,
  });
  const parsed = parseConfiguration('', 'x');
  if (!parsed.ok) throw new Error('must be accepted');

  inputs.keepConfiguration(parsed.configuration);

  expect({ loads, inForce, inputs: inputs.configuration }).toEqual({
    loads: [],
    inForce: [parsed.configuration],
    inputs: parsed.configuration,
  });
});
