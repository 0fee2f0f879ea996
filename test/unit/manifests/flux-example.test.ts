import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfiguration } from '../../../agent/config/load.ts';
import { type KubernetesObject, manifests, parseObjects } from './objects.ts';

interface FluxKustomization extends KubernetesObject {
  readonly spec: {
    readonly path: string;
    readonly components?: readonly string[];
    readonly patches?: readonly { readonly patch: string }[];
  };
}

const folder = join(manifests, 'examples/flux');
const kustomizations = parseObjects(
  readFileSync(join(folder, 'stevedore.yaml'), 'utf8'),
) as readonly FluxKustomization[];

test('its paths are there', () => {
  for (const { spec } of kustomizations) {
    const path = join(manifests, '..', spec.path);
    for (const each of [path, ...(spec.components ?? []).map((component) => join(path, component))]) {
      expect(existsSync(join(each, 'kustomization.yaml')), each).toBe(true);
    }
  }
});

test('its configuration has neither mistakes nor warnings', () => {
  const patches = kustomizations.flatMap(({ spec }) => spec.patches ?? []);
  const [configMap] = patches.map(({ patch }) => parse(patch) as { kind: string; data: Record<string, string> });
  expect(configMap?.kind).toBe('ConfigMap');
  expect(parseConfiguration(configMap?.data['config.yaml'] ?? '', 'config.yaml')).toMatchObject({
    ok: true,
    warnings: [],
  });
});

test('the secret that it makes is the one that the agent mounts', () => {
  const [secret] = parseObjects(readFileSync(join(folder, 'credentials/robot-account.yaml'), 'utf8'));
  expect(secret).toMatchObject({
    metadata: { namespace: 'stevedore' },
    spec: { target: { name: 'stevedore-registry', template: { type: 'kubernetes.io/dockerconfigjson' } } },
  });
});
