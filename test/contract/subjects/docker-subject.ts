import type { Runtime } from '../../../agent/runtime/runtime.ts';
import { startDockerd } from '../../harness/dockerd.ts';
import type { Dockerd } from '../../harness/dockerd.ts';
import { soon } from '../helpers.ts';
import type { Expectations, Subject } from '../subject.ts';
import { missingBinaries } from './binaries.ts';
import { startRegistries } from './real-registries.ts';

/** Another version's binaries: dockerd, docker, containerd, its shims, runc. */
const bin = process.env['STEVEDORE_TEST_DOCKERD_BIN'];

export const dockerMissing = missingBinaries(['dockerd', 'docker', 'containerd', 'runc', 'docker-registry'], bin);

const expected: Expectations = {
  kind: 'docker',
  capabilities: { events: true, progress: true, resume: false, pin: false, alias: true, exactSizes: false },
  layers: { chainIds: true, blobs: false },
  seesDamage: false,
  tellsRemovedNames: false,
  removalInUse: 'in_use',
};

/** A real dockerd. By default it would try a failed download five times, with pauses of up to twenty seconds. */
export async function makeDockerSubject(connect: (endpoint: string) => Runtime | Promise<Runtime>): Promise<Subject> {
  const args = ['--max-download-attempts=1'];
  const [dockerd, registries] = await Promise.all([
    startDockerd(bin === undefined ? { args } : { args, bin }),
    startRegistries(),
  ]);
  const runtime = await connect(dockerd.endpoint);
  const { imageStore } = await runtime.info(soon());
  return {
    runtime,
    expected: { ...expected, containerdImageStore: imageStore === 'containerd' },
    registry: registries.registry,
    privateRegistry: registries.privateRegistry,
    containers: toContainers(dockerd),
    tag: async (reference, name) => {
      await dockerd.docker('tag', reference, name);
    },
    settleMs: 300,
    leftovers: async () => ({ leases: [], ingests: [] }),
    damage: undefined,
    stopRuntime: () => dockerd.stop(),
    startRuntime: () => dockerd.start(),
    close: async () => {
      runtime.close();
      await Promise.all([dockerd.remove(), registries.remove()]);
    },
  };
}

function toContainers(dockerd: Dockerd): Subject['containers'] {
  return {
    create: (reference) => dockerd.docker('create', '--network', 'none', reference),
    run: (reference) => dockerd.run(reference),
    stop: (id) => dockerd.stopContainer(id),
    remove: (id) => dockerd.removeContainer(id),
  };
}
