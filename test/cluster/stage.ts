/** Where the scenarios play: a cluster, a container runtime, a registry; nodes are made in the tests and go when these end. */

import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type ApiAdmin, createApiAdmin } from '../contract/cluster/api-admin.ts';
import { startContainerd } from '../harness/containerd.ts';
import { startDockerd } from '../harness/dockerd.ts';
import { buildImage, buildLayer } from '../harness/images.ts';
import { startRegistry, type TestRegistry } from '../harness/registry.ts';
import { namespace, ownPrefix, type TestCluster } from './test-cluster.ts';

export type RuntimeKind = 'containerd' | 'docker';

export interface StageRuntime {
  readonly kind: RuntimeKind;
  readonly endpoint: string;
  /** Names of the images from the stage's registry, as the runtime's own client lists them. */
  held(): Promise<readonly string[]>;
  removeImage(reference: string): Promise<void>;
  remove(): Promise<void>;
}

/** An image set as a ConfigMap has it. */
export interface ImageSet {
  readonly name: string;
  readonly images: readonly string[];
  readonly nodeSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly gate?: boolean;
}

export interface Stage<Cluster extends TestCluster = TestCluster> {
  readonly cluster: Cluster;
  readonly runtime: StageRuntime;
  readonly registry: TestRegistry;
  /** Another repository each time; its reference. Default 200 kB. */
  push(sizeBytes?: number): Promise<string>;
  /** Writes the main ConfigMap, with the registry and these sets. */
  configure(imageSets: readonly ImageSet[], more?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Writes a text of one's own as the main configuration. */
  configureAs(text: string): Promise<void>;
  /** A name for a Node, and hands for it. */
  operator(): { readonly name: string; readonly admin: ApiAdmin };
}

/** Declares what starts and ends it around the tests of a suite. */
export function useStage<Cluster extends TestCluster>(
  kind: RuntimeKind,
  startCluster: () => Promise<Cluster>,
): () => Stage<Cluster> {
  const started: { cluster?: Cluster; runtime?: StageRuntime; registry?: TestRegistry } = {};
  let stage: Stage<Cluster> | undefined;
  beforeAll(async () => {
    const registry = (started.registry = await startRegistry());
    const runtime = (started.runtime = await startRuntime(kind, registry));
    const cluster = (started.cluster = await startCluster());
    stage = makeStage(cluster, runtime, registry);
  });
  afterEach(() => {
    if (started.registry !== undefined) delete started.registry.faults.bytesPerSecond;
  });
  afterAll(async () => {
    await started.cluster?.remove();
    await started.runtime?.remove();
    await started.registry?.remove();
  });
  return () => {
    if (stage === undefined) throw new Error('the stage is not there outside of tests');
    return stage;
  };
}

function makeStage<Cluster extends TestCluster>(
  cluster: Cluster,
  runtime: StageRuntime,
  registry: TestRegistry,
): Stage<Cluster> {
  const { url, ca } = cluster.adminEndpoint;
  const toAdmin = (nodeName: string): ApiAdmin =>
    createApiAdmin({ url, ca, token: cluster.adminToken, nodeName, namespace });
  let pushed = 0;
  const configureAs = async (text: string): Promise<void> => {
    const admin = toAdmin('none');
    await admin.putConfigMap('stevedore', { 'config.yaml': text });
    await admin.close();
  };
  return {
    cluster,
    runtime,
    registry,
    async push(sizeBytes = 200_000) {
      pushed += 1;
      const seed = `cluster ${runtime.kind} ${pushed}`;
      const image = buildImage({ layers: [buildLayer({ seed, sizeBytes })] });
      return (await registry.push(`cluster/image-${pushed}`, 'v1', image)).reference;
    },
    configureAs,
    configure: (imageSets, more = {}) =>
      configureAs(JSON.stringify({ registries: [{ host: registry.host, plainHTTP: true }], imageSets, ...more })),
    operator() {
      const name = ownPrefix + randomBytes(4).toString('hex');
      return { name, admin: toAdmin(name) };
    },
  };
}

/** Also for a second one, beside the stage's. */
export async function startRuntime(kind: RuntimeKind, registry: Pick<TestRegistry, 'host'>): Promise<StageRuntime> {
  const toNames = (listed: string): readonly string[] =>
    listed.split('\n').filter((name) => name.startsWith(registry.host) && !name.includes('@'));
  if (kind === 'docker') {
    const { endpoint, docker, remove } = await startDockerd();
    return {
      kind,
      endpoint,
      held: async () => toNames(await docker('images', '--format', '{{.Repository}}:{{.Tag}}')),
      removeImage: async (reference) => void (await docker('rmi', reference)),
      remove,
    };
  }
  const { endpoint, ctr, remove } = await startContainerd();
  return {
    kind,
    endpoint,
    held: async () => toNames(await ctr('images', 'ls', '-q')),
    async removeImage(reference) {
      const repository = reference.slice(0, reference.lastIndexOf(':'));
      const names = (await ctr('images', 'ls', '-q')).split('\n');
      const own = names.filter((name) => name === reference || name.startsWith(`${repository}@`));
      await ctr('images', 'rm', '--sync', ...own);
    },
    remove,
  };
}
