import { containerdLeftoverKinds, dockerLeftoverKinds } from '../../../agent/core/leftovers.ts';
import type { RuntimeKind } from '../../../agent/runtime/runtime.ts';
import type { FakeImageSpec } from '../../fakes/fake-image.ts';
import { fakeKinds } from '../../fakes/fake-kinds.ts';
import { FakeRegistryContent } from '../../fakes/fake-registry-content.ts';
import { FakeRuntime } from '../../fakes/fake-runtime.ts';
import type { BuiltImage, BuiltIndex } from '../../harness/images.ts';
import { ownPlatform } from '../../harness/images.ts';
import { login } from '../subject.ts';
import type { ContractRegistry, MadeLeftover, Subject } from '../subject.ts';

/** The suite's throttle is made for real daemons: here a second may pass faster. */
const hurry = 8;
const host = '127.0.0.1:5000';
const privateHost = '127.0.0.1:5001';

const sandboxImage = 'registry.k8s.io/pause:3.9';
const partStores = { exact: ['content', 'snapshot'], layers: ['layer'], whole: ['layer'] } as const;
const leftoverKindsOf = { containerd: containerdLeftoverKinds, docker: dockerLeftoverKinds, cri: [] } as const;

export async function makeFakeSubject(like: RuntimeKind): Promise<Subject> {
  const content = new FakeRegistryContent();
  content.requireLogin(privateHost, login.username, login.password);
  const runtime = new FakeRuntime({ like, registry: content, platform: `linux/${ownPlatform().architecture}` });
  runtime.infrastructure.add(runtime.addImage(sandboxImage, { layers: [1_000] }).id);
  const { capabilities, store, refusesInUse, tellsRemovedNames } = fakeKinds[like];
  const byHand = like === 'containerd';
  return {
    runtime,
    expected: {
      kind: like,
      capabilities,
      layers: { chainIds: store.listsChainIds, blobs: store.listsBlobs },
      seesDamage: store.seesBroken,
      tellsRemovedNames,
      removalInUse: refusesInUse ? 'in_use' : 'removed',
      parts: { stores: partStores[store.parts], whole: store.parts === 'whole' },
      tellsStart: true,
      undoesBegun: like === 'docker',
    },
    settleMs: 10,
    registry: toRegistry(host, content),
    privateRegistry: toRegistry(privateHost, content),
    containers: {
      create: async (reference) => runtime.createContainer(reference, { byHand }),
      run: async (reference) => runtime.startContainer(reference, { byHand }),
      stop: async (id) => runtime.exitContainer(id),
      remove: async (id) => runtime.deleteContainer(id),
    },
    tag: async (reference, name) => runtime.tag(reference, name),
    untag: async (name) => runtime.untag(name),
    pinByOther: like === 'docker' ? undefined : async (reference) => runtime.pinByOther(reference),
    sandboxImage,
    makeLeftovers: async () => makeLeftovers(runtime),
    leftovers: async () => ({ leases: runtime.leases, ingests: runtime.partialBlobs }),
    damage: store.seesBroken ? async (reference, _image, part) => runtime.damage(reference, part) : undefined,
    stopRuntime: async () => runtime.goAway(),
    startRuntime: async () => runtime.comeBack(),
    close: async () => runtime.close(),
  };
}

function makeLeftovers(runtime: FakeRuntime): MadeLeftover[] {
  const made = leftoverKindsOf[runtime.kind].map((kind) => ({ kind, name: `contract-${kind}` }));
  for (const { kind, name } of made) runtime.addLeftover({ kind, id: name, bytes: 1_000, unusedSince: Date.now() });
  return made;
}

function toRegistry(registryHost: string, content: FakeRegistryContent): ContractRegistry {
  return {
    host: registryHost,
    push: async (repository, tag, image) => {
      content.add(`${registryHost}/${repository}:${tag}`, toSpec(image));
    },
    throttle: (bytesPerSecond) => {
      if (bytesPerSecond === undefined) delete content.faults.bytesPerSecond;
      else content.faults.bytesPerSecond = hurry * bytesPerSecond;
    },
    answer: (status) => {
      if (status === undefined) delete content.faults.status;
      else content.faults.status = status;
    },
    stop: async () => {
      content.faults.offline = true;
    },
    start: async () => {
      content.faults.offline = false;
    },
    bytesOf: (digest) => content.bytesOf(digest),
    bytesSent: () => content.bytesSent,
  };
}

interface ImageConfig {
  readonly created: string;
  readonly config: { readonly Labels?: Readonly<Record<string, string>> };
}

function toSpec(pushed: BuiltImage | BuiltIndex): FakeImageSpec {
  const own = ownPlatform();
  const images = 'indexDigest' in pushed ? pushed.images : [pushed];
  const image = images.find(({ platform }) => platform.architecture === own.architecture) ?? images[0];
  if (image === undefined) throw new Error('an index without images');
  const { created, config } = JSON.parse(image.config.toString()) as ImageConfig;
  return {
    id: image.configDigest,
    manifestDigest: 'indexDigest' in pushed ? pushed.indexDigest : pushed.manifestDigest,
    configBytes: image.config.length,
    layers: image.layers.map(({ digest, diffId, blob, unpackedBytes }) => ({
      digest,
      diffId,
      sizeBytes: blob.length,
      unpackedBytes,
    })),
    platform: `${image.platform.os}/${image.platform.architecture}`,
    builtAt: Date.parse(created),
    labels: config.Labels ?? {},
  };
}
