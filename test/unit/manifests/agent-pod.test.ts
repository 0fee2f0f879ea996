import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addCommonOptions, parseSettings } from '../../../agent/commands/common-options.ts';
import { imageSetLabelPrefix } from '../../../agent/core/label-syntax.ts';
import { imageSetsCondition } from '../../../agent/core/node-report.ts';
import { type KubernetesObject, manifests, parseObjects } from './objects.ts';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly securityContext: unknown;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly resources: { readonly requests: object; readonly limits: object };
}

interface DaemonSet extends KubernetesObject {
  readonly spec: {
    readonly updateStrategy: unknown;
    readonly template: {
      readonly spec: {
        readonly containers: readonly [Container];
        readonly initContainers?: readonly [Container];
        readonly volumes: readonly {
          readonly name: string;
          readonly hostPath?: { readonly path: string; readonly type: string };
        }[];
      };
    };
  };
}

const rendered = (name: string): readonly KubernetesObject[] =>
  parseObjects(readFileSync(join(manifests, `rendered/${name}.yaml`), 'utf8'));
const daemonSet = (name: string): DaemonSet =>
  rendered(name).find((one): one is DaemonSet => one.kind === 'DaemonSet') as DaemonSet;
const everything = daemonSet('everything');
const pod = everything.spec.template.spec;
const [agent] = pod.containers;

test('the environment is what the agent reads, and it takes it', () => {
  const known = addCommonOptions(new Command()).options.map(
    ({ long }) => `STEVEDORE_${long?.slice(2).toUpperCase().replaceAll('-', '_')}`,
  );
  for (const { name } of agent.env) expect(known).toContain(name);
  const environment = Object.fromEntries(agent.env.map(({ name, value }) => [name, value ?? 'from-the-pod']));
  const settings = parseSettings({}, { ...environment, KUBERNETES_SERVICE_HOST: '192.0.2.1' }, 'info');
  expect(settings).toMatchObject({
    cluster: {
      nodeName: 'from-the-pod',
      namespace: 'from-the-pod',
      configMap: 'stevedore',
      gateTaint: 'startup-taint.cluster-autoscaler.kubernetes.io/stevedore',
    },
    runtime: 'containerd',
    endpoint: 'unix:///run/containerd/containerd.sock',
    imageFilesystem: '/image-filesystem',
    stateDir: '/var/lib/stevedore',
    listen: { host: '::', port: 9746 },
    ownImage: agent.image,
  });
});

test('the agent has the privileges of root over its socket, and no other', () => {
  expect(agent.securityContext).toEqual({
    runAsUser: 0,
    runAsGroup: 0,
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
    seLinuxOptions: { type: 'spc_t' },
  });
  expect(pod).toMatchObject({
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    priorityClassName: 'system-node-critical',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ operator: 'Exists' }],
  });
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(name);
});

test('there is never a second agent on a node', () => {
  expect(everything.spec.updateStrategy).toEqual({
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 },
  });
});

test('the node is mounted in three places: the socket, the state, and a folder to look at', () => {
  const paths = pod.volumes.flatMap(({ name, hostPath }) =>
    hostPath === undefined
      ? []
      : [[hostPath.path, hostPath.type, agent.volumeMounts.find((mount) => mount.name === name)]],
  );
  expect(paths).toEqual([
    [
      '/var/lib/containerd/stevedore',
      'DirectoryOrCreate',
      { name: 'image-filesystem', mountPath: '/image-filesystem', readOnly: true },
    ],
    ['/run/containerd/containerd.sock', 'Socket', { name: 'runtime', mountPath: '/run/containerd/containerd.sock' }],
    ['/var/lib/stevedore', 'DirectoryOrCreate', { name: 'state', mountPath: '/var/lib/stevedore' }],
  ]);
});

test('without the gate there is neither its option nor its permission', () => {
  const text = readFileSync(join(manifests, 'rendered/containerd.yaml'), 'utf8');
  expect(text).not.toMatch(/GATE_TAINT|stevedore-gate/);
  expect(text).toContain('resources:\n      - nodes/status\n');
});

test('a pod that uninstalls is ready only once its node is clean', () => {
  const { containers, initContainers } = daemonSet('uninstall').spec.template.spec;
  const [staying] = containers;
  const [cleaning] = initContainers ?? [];
  expect(staying.args).toEqual(['uninstall', '--stay']);
  expect(cleaning).toEqual({ ...staying, name: 'clean-up', args: ['uninstall'] });
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) expect(staying).not.toHaveProperty(probe);
});

test("the policy is for the agent's account, and for the keys that the agent writes", () => {
  const policy = rendered('everything').find(
    ({ kind, metadata }) => kind === 'ValidatingAdmissionPolicy' && metadata.name === 'stevedore-own-node',
  ) as KubernetesObject & {
    spec: {
      matchConditions: readonly { expression: string }[];
      variables: readonly { name: string; expression: string }[];
    };
  };
  expect(policy.spec.matchConditions.map(({ expression }) => expression)).toEqual([
    "request.userInfo.username == 'system:serviceaccount:stevedore:stevedore'",
  ]);
  const taint = agent.env.find(({ name }) => name === 'STEVEDORE_GATE_TAINT')?.value;
  const variables = Object.fromEntries(policy.spec.variables.map(({ name, expression }) => [name, expression]));
  expect(variables).toMatchObject({
    prefix: `'${imageSetLabelPrefix}'`,
    condition: `'${imageSetsCondition}'`,
    gateTaint: `'${taint}'`,
  });
});
