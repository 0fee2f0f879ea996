/** Runs kustomize and Helm on the manifests. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { type KubernetesObject, manifests, parseObjects } from './objects.ts';

const runFile = promisify(execFile);

export const distributions = ['containerd', 'docker', 'k3s', 'rke2', 'k0s', 'microk8s', 'cri-o'] as const;

/** Each component, and the values of the chart that mean the same. */
export const components = {
  gate: { gate: { enabled: true } },
  selinux: { selinux: { enabled: true } },
  'socket-guard': { socketGuard: { enabled: true } },
  'pod-monitor': { podMonitor: { enabled: true } },
  'vm-pod-scrape': { vmPodScrape: { enabled: true } },
  uninstall: { uninstall: true },
  /** Helm takes it from elsewhere. */
  namespace: {},
} as const;

export interface Case {
  readonly distribution: (typeof distributions)[number];
  readonly components: readonly (keyof typeof components)[];
}

/** As a user writes it: a kustomization with an overlay and components, and what else `more` says. */
export async function renderByKustomize(
  kustomize: string,
  wanted: Case,
  more: Readonly<Record<string, unknown>> = {},
): Promise<readonly KubernetesObject[]> {
  const kustomization = stringify({
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [`manifests/overlays/${wanted.distribution}`],
    components: wanted.components.map((name) => `manifests/components/${name}`),
    ...more,
  });
  return await buildKustomization(kustomize, kustomization, {});
}

/** Builds a kustomization whose paths are those of the repository's root, with `files` beside it. */
export async function buildKustomization(
  kustomize: string,
  kustomization: string,
  files: Readonly<Record<string, string>>,
): Promise<readonly KubernetesObject[]> {
  // kustomize takes neither absolute paths nor a root above the one that asks.
  const cache = join(manifests, '../.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'kustomize-'));
  try {
    const text = kustomization.replaceAll(/(?<=- )manifests\//g, `${relative(folder, manifests)}/`);
    for (const [name, content] of Object.entries({ ...files, 'kustomization.yaml': text })) {
      await writeFile(join(folder, name), content);
    }
    return parseObjects(await output(kustomize, ['build', folder]));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Name and text of each kustomization that the README shows. */
export function readmeKustomizations(): readonly (readonly [string, string])[] {
  const readme = readFileSync(join(manifests, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  return blocks
    .filter((text) => text.includes('kind: Kustomization'))
    .map((text) => [/manifests\/components\/\S+/.exec(text)?.[0] ?? '', text] as const);
}

export async function renderByHelm(
  helm: string,
  wanted: Case,
  more: Readonly<Record<string, unknown>> = {},
  namespace = 'stevedore',
): Promise<readonly KubernetesObject[]> {
  const values = Object.assign(
    { distribution: wanted.distribution, namespace: { create: true } },
    ...wanted.components.map((name) => components[name]),
    more,
  );
  return parseObjects(await helmTemplate(helm, values, namespace));
}

/** @throws Error with what Helm says: values that the schema refuses, for one */
export async function helmTemplate(helm: string, values: unknown, namespace = 'stevedore'): Promise<string> {
  const args = ['template', 'stevedore', join(manifests, 'helm'), '--namespace', namespace, '--values', '-'];
  // A Helm that was built by hand takes itself for a cluster of Kubernetes 1.20.
  return await output(helm, [...args, '--kube-version', '1.30.0'], JSON.stringify(values));
}

async function output(command: string, args: readonly string[], input = ''): Promise<string> {
  const running = runFile(command, args, { maxBuffer: 16 * 1024 * 1024, timeout: 60_000 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}
