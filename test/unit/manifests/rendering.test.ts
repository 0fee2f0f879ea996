import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { provideManifestTools } from '../../harness/manifest-tools.mjs';
import { hashInputs, type KubernetesObject, manifests, toComparable, toText } from './objects.ts';
import {
  buildKustomization,
  type Case,
  distributions,
  helmTemplate,
  readmeKustomizations,
  renderByHelm,
  renderByKustomize,
} from './tools.ts';

const { kustomize, helm, reason } = await provideManifestTools((message) => console.log(message));

const all = ['gate', 'selinux', 'socket-guard', 'pod-monitor'] as const;
const everything: Case = { distribution: 'containerd', components: all };
const uninstall: Case = { distribution: 'containerd', components: ['uninstall'] };
const cases: readonly Case[] = [
  ...distributions.flatMap((distribution): readonly Case[] => [
    { distribution, components: [] },
    { distribution, components: all },
    { distribution, components: ['gate', 'uninstall'] },
  ]),
  ...[...all, 'vm-pod-scrape' as const].map((name): Case => ({ distribution: 'containerd', components: [name] })),
  uninstall,
];

const inputsFile = join(manifests, 'rendered/inputs.sha256');
const update = 'npx vitest run --project unit test/unit/manifests -u, with kustomize and helm';

if (kustomize === undefined || helm === undefined) {
  console.log(`What kustomize and Helm render is compared by the hash of its inputs only: ${reason}`);
  test.skip(`kustomize and Helm render the same (not run: ${reason}; compared by the hash of the inputs)`, () =>
    undefined);

  test('nothing has changed since kustomize and Helm were seen to render the same', () => {
    expect(hashInputs(), update).toBe(readFileSync(inputsFile, 'utf8').trim());
  });
} else {
  describe('kustomize and Helm', { timeout: 120_000 }, () => {
    test.each(cases)('render the same for $distribution with $components', async (wanted) => {
      const [one, other] = await Promise.all([renderByKustomize(kustomize, wanted), renderByHelm(helm, wanted)]);
      expect(one).not.toHaveLength(0);
      expect(toComparable(other)).toEqual(toComparable(one));
    });

    test.each([
      ['containerd', { distribution: 'containerd', components: [] }],
      ['everything', everything],
      ['uninstall', uninstall],
    ] satisfies [string, Case][])('rendered/%s.yaml is up to date', async (name, wanted) => {
      const text = toText(await renderByKustomize(kustomize, wanted));
      await expect(text, update).toMatchFileSnapshot(join(manifests, `rendered/${name}.yaml`));
    });

    test('the hash of their inputs is up to date', async () => {
      await expect(`${hashInputs()}\n`, update).toMatchFileSnapshot(inputsFile);
    });
  });

  describe('what a user changes', { timeout: 120_000 }, () => {
    const image = 'registry.example.net/mirror/stevedore@sha256:'.padEnd(109, '0');

    test("an image set by kustomize's `images` is also the one that is never removed", async () => {
      const images = [
        {
          name: 'harbor.example.com/stevedore/agent',
          newName: 'registry.example.net/mirror/stevedore',
          digest: image.slice(-71),
        },
      ];
      const objects = await renderByKustomize(
        kustomize,
        { ...uninstall, components: ['uninstall', 'gate'] },
        { images },
      );
      const text = toText(objects);
      expect(text.match(/image: registry\.example\.net/g)).toHaveLength(2);
      expect(text.match(/value: registry\.example\.net/g)).toHaveLength(2);
      expect(text).not.toMatch(/harbor\.example\.com\/stevedore\/agent/);
    });

    test('an image set by a value of the chart too', async () => {
      const values = { image: { repository: 'registry.example.net/mirror/stevedore', digest: image.slice(-71) } };
      const text = toText(await renderByHelm(helm, { distribution: 'k3s', components: [] }, values));
      expect(text.match(/image: registry\.example\.net/g)).toHaveLength(1);
      expect(text.match(/value: registry\.example\.net/g)).toHaveLength(1);
    });

    test('the component for another namespace does what Helm does by itself', async () => {
      const configMapGenerator = [
        {
          name: 'stevedore-namespace',
          literals: ['namespace=images'],
          options: { disableNameSuffixHash: true, annotations: { 'config.kubernetes.io/local-config': 'true' } },
        },
      ];
      const moved: Case = { distribution: 'containerd', components: [...all, 'namespace'] };
      const objects = await renderByKustomize(kustomize, moved, { configMapGenerator });
      expect(toComparable(objects)).toEqual(toComparable(await renderByHelm(helm, everything, {}, 'images')));
    });

    test.each(readmeKustomizations())("the README's kustomization %# can be built", async (_, kustomization) => {
      const objects = await buildKustomization(kustomize, kustomization, { 'config.yaml': '' });
      expect(objects.map(({ kind }) => kind)).toContain('DaemonSet');
    });

    test("the README's other taint is the agent's and the policy's", async () => {
      const [, kustomization = ''] = readmeKustomizations().find(([, text]) => text.includes('sourceValue')) ?? [];
      const text = toText(await buildKustomization(kustomize, kustomization, {}));
      expect(text.match(/example\.com\/images\b/g)).toHaveLength(2);
      expect(text).not.toContain('startup-taint');
    });

    test("Helm's namespace is the policies' and every subject's too", async () => {
      const objects = await renderByHelm(helm, everything, {}, 'images');
      const expressions = JSON.stringify(find(objects, 'ValidatingAdmissionPolicy', 'stevedore-own-node'));
      expect(expressions).toContain("request.userInfo.username == 'system:serviceaccount:images:stevedore'");
      const guard = JSON.stringify(find(objects, 'ValidatingAdmissionPolicyBinding', 'stevedore-socket-guard'));
      expect(guard).toContain('["kube-system","images"]');
      const namespaces = objects.map(({ metadata }) => metadata.namespace).filter((name) => name !== undefined);
      expect([...new Set(namespaces)].toSorted()).toEqual(['default', 'images']);
      expect(JSON.stringify(objects)).not.toContain('"namespace":"stevedore"');
    });

    test("the gate's taint is one value of the chart, for agent and policy", async () => {
      const gate = { enabled: true, taint: 'example.com/warming' };
      const text = toText(await renderByHelm(helm, everything, { gate }));
      expect(text.match(/example\.com\/warming/g)).toHaveLength(2);
      expect(text).not.toContain('startup-taint');
    });

    test('a configuration in the values is the one of the ConfigMap', async () => {
      const config = { imageSets: [{ name: 'all', images: ['busybox'] }], prune: { schedule: '0 2 * * *' } };
      const objects = await renderByHelm(helm, { distribution: 'containerd', components: [] }, { config });
      const { data } = find(objects, 'ConfigMap', 'stevedore') as KubernetesObject & { data: Record<string, string> };
      expect(data).toEqual({
        'config.yaml': 'imageSets:\n- images:\n  - busybox\n  name: all\nprune:\n  schedule: 0 2 * * *\n',
      });
    });

    test.each([
      ['an unknown value', { gate: { enable: true } }, /enable/],
      ['an unknown distribution', { distribution: 'podman' }, /distribution/],
      ['an unknown part of the configuration', { config: { imagesets: [] } }, /imagesets/],
      ['a taint that is none', { gate: { taint: "a'b" } }, /taint/],
      ['two kinds of scraping', { podMonitor: { enabled: true }, vmPodScrape: { enabled: true } }, /scraped twice/],
    ])('%s is refused', async (_, values, message) => {
      await expect(helmTemplate(helm, values)).rejects.toThrow(message);
    });
  });
}

function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const object = objects.find((one) => one.kind === kind && one.metadata.name === name);
  if (object === undefined) throw new Error(`no ${kind} ${name}`);
  return object;
}
