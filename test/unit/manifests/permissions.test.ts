import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Permission, permissions } from '../../../agent/cluster/permissions.ts';
import { resolvedConfigMaps } from '../../../agent/core/resolved-config-maps.ts';
import { type KubernetesObject, manifests, parseObjects } from './objects.ts';

interface Role extends KubernetesObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
}

interface Binding extends KubernetesObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

const files = { base: 'base/permissions.yaml', gate: 'components/gate/permissions.yaml' } as const;

test.each(['base', 'gate'] as const)('the roles of %s allow what the code asks for, and no more', (part) => {
  const asked = permissions.filter((permission) => permission.part === part).flatMap(toWords);
  const allowed = readObjects(part)
    .filter((object): object is Role => object.kind === 'ClusterRole' || object.kind === 'Role')
    .flatMap((role) =>
      role.rules.flatMap(({ apiGroups, resources, verbs, resourceNames }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            verbs.map((verb) => `${toScope(role)} ${verb} ${group}/${resource} ${toNames(resourceNames)}`),
          ),
        ),
      ),
    );
  expect(allowed.toSorted()).toEqual(asked.toSorted());
});

test('every role is bound where it is, and to the agent alone', () => {
  const objects = [...readObjects('base'), ...readObjects('gate')];
  const bindings = objects.filter((object): object is Binding => object.kind.endsWith('Binding'));
  const bound = bindings.map(({ kind, roleRef, metadata, subjects }) => {
    expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'stevedore', namespace: 'stevedore' }]);
    expect(kind).toBe(`${roleRef.kind}Binding`);
    return [roleRef.kind, metadata.namespace, roleRef.name].join('/');
  });
  const roles = objects.filter(({ kind }) => !kind.endsWith('Binding'));
  expect(bound.toSorted()).toEqual(
    roles.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name].join('/')).toSorted(),
  );
});

test('nobody may read Secrets or Pods', () => {
  const text = readObjects('base')
    .concat(readObjects('gate'))
    .map((object) => JSON.stringify(object))
    .join('\n');
  expect(text).not.toMatch(/"(?:secrets|pods|\*)["/]/);
});

test('what the coordinator publishes in is there, may be updated, and says nothing of its own', () => {
  const published = parseObjects(readFileSync(join(manifests, 'base/resolved.yaml'), 'utf8'));
  expect(published.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(
    resolvedConfigMaps.map((name) => `ConfigMap stevedore/${name}`),
  );
  // An empty `data` would be somebody's: kubectl and Flux put back what a manifest says.
  for (const one of published) expect(Object.keys(one).toSorted()).toEqual(['apiVersion', 'kind', 'metadata']);
});

function toWords({ group, resource, subresource, verbs, scope, names }: Permission): readonly string[] {
  const name = subresource === undefined ? resource : `${resource}/${subresource}`;
  return verbs.map((verb) => `${scope} ${verb} ${group}/${name} ${toNames(names)}`);
}

function toNames(names: readonly string[] | undefined): string {
  return names === undefined ? 'any' : names.toSorted().join();
}

function toScope({ kind, metadata }: KubernetesObject): Permission['scope'] {
  if (kind === 'ClusterRole') return 'cluster';
  return metadata.namespace === 'default' ? 'default' : 'namespace';
}

function readObjects(part: keyof typeof files): readonly KubernetesObject[] {
  return parseObjects(readFileSync(join(manifests, files[part]), 'utf8'));
}
