import type { Runtime } from '../../../agent/runtime/runtime.ts';
import { pauseImage, startContainerd } from '../../harness/containerd.ts';
import type { Containerd } from '../../harness/containerd.ts';
import { busyboxImage } from '../../harness/images.ts';
import type { BuiltImage } from '../../harness/images.ts';
import { chainIdsOf } from '../helpers.ts';
import type { ContractContainers, Expectations, Leftovers, MadeLeftover, Subject } from '../subject.ts';
import { missingBinaries } from './binaries.ts';
import { startRegistries } from './real-registries.ts';

/** Another version's binaries: containerd, its shims, ctr, runc. */
const bin = process.env['STEVEDORE_TEST_CONTAINERD_BIN'];

export const containerdMissing = missingBinaries(['containerd', 'ctr', 'runc', 'docker-registry'], bin);

export interface ContainerdSubjectOptions {
  readonly connect: (endpoint: string) => Runtime | Promise<Runtime>;
  readonly containers: (containerd: Containerd) => ContractContainers;
  readonly expected: Expectations;
}

export interface ContainerdSubject extends Subject {
  readonly containerd: Containerd;
}

/** A real containerd behind whichever adapter. */
export async function makeContainerdSubject(options: ContainerdSubjectOptions): Promise<ContainerdSubject> {
  const [containerd, registries] = await Promise.all([
    startContainerd(bin === undefined ? {} : { bin }),
    startRegistries(),
  ]);
  await containerd.load(busyboxImage(), pauseImage);
  const runtime = await options.connect(containerd.endpoint);
  return {
    containerd,
    runtime,
    expected: options.expected,
    registry: registries.registry,
    privateRegistry: registries.privateRegistry,
    containers: options.containers(containerd),
    tag: async (reference, name) => {
      await containerd.ctr('images', 'tag', reference, name);
    },
    untag: async (name) => {
      await containerd.ctr('images', 'rm', name);
    },
    pinByOther: toPinByOther(containerd, options.expected),
    sandboxImage: pauseImage,
    makeLeftovers: () => (options.expected.kind === 'cri' ? Promise.resolve([]) : makeLeftovers(containerd)),
    settleMs: 300,
    leftovers: () => readLeftovers(containerd),
    damage: (_reference, image, part) => damage(containerd, image, part),
    stopRuntime: () => containerd.stop(),
    startRuntime: () => containerd.start(),
    close: async () => {
      runtime.close();
      await Promise.all([containerd.remove(), registries.remove()]);
    },
  };
}

async function readLeftovers(containerd: Containerd): Promise<Leftovers> {
  const leases = await containerd.ctr('leases', 'ls', '--quiet');
  const ingests = await containerd.ctr('content', 'active');
  return {
    leases: toLines(leases).filter((id) => id.startsWith('stevedore-')),
    ingests: toLines(ingests)
      .slice(1)
      .map((line) => line.split(/\s+/)[0] ?? ''),
  };
}

/** The CRI tells of pins from 1.7 on, and takes its time to notice the label. */
function toPinByOther(containerd: Containerd, { kind }: Expectations): Subject['pinByOther'] {
  if (kind === 'cri' && /^1\.[0-6]\./.test(containerd.version)) return undefined;
  return async (reference) => {
    await containerd.ctr('images', 'label', reference, 'io.cri-containerd.pinned=pinned');
  };
}

/** A snapshot that no container names, a download that broke off, and a namespace. */
async function makeLeftovers(containerd: Containerd): Promise<MadeLeftover[]> {
  await containerd.ctr('snapshots', 'prepare', 'contract-orphan');
  const broken = containerd.ctr('content', 'ingest', '--expected-size', '99', 'contract-ingest');
  await broken.then(
    () => Promise.reject(new Error('the download did not break off')),
    () => {},
  );
  await containerd.ctr('namespaces', 'create', 'contract-elsewhere');
  return [
    { kind: 'snapshot', name: 'contract-orphan' },
    { kind: 'ingest', name: 'contract-ingest' },
    { kind: 'namespace', name: 'contract-elsewhere' },
  ];
}

/** The runtime holds neither against removal by hand, just as a bad disk would not ask. */
async function damage(containerd: Containerd, image: BuiltImage, part: 'config' | 'layer'): Promise<void> {
  if (part === 'config') await containerd.ctr('content', 'rm', image.configDigest);
  else await containerd.ctr('snapshots', 'rm', chainIdsOf(image).at(-1) ?? '');
}

function toLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
