import { startRegistry } from '../../harness/registry.ts';
import type { TestRegistry } from '../../harness/registry.ts';
import { login } from '../subject.ts';
import type { ContractRegistry } from '../subject.ts';

export interface RealRegistries {
  readonly registry: ContractRegistry;
  readonly privateRegistry: ContractRegistry;
  remove(): Promise<void>;
}

export async function startRegistries(): Promise<RealRegistries> {
  const [open, closed] = await Promise.all([
    startRegistry(),
    startRegistry({ user: login.username, password: login.password }),
  ]);
  return {
    registry: toContractRegistry(open),
    privateRegistry: toContractRegistry(closed),
    remove: async () => {
      await Promise.all([open.remove(), closed.remove()]);
    },
  };
}

function toContractRegistry(registry: TestRegistry): ContractRegistry {
  return {
    host: registry.host,
    push: async (repository, tag, image) => {
      await registry.push(repository, tag, image);
    },
    throttle: (bytesPerSecond) => {
      registry.faults.bytesPerSecond = bytesPerSecond;
    },
    answer: (status) => {
      registry.faults.status = (_method, path) => (path.includes('/manifests/') ? status : undefined);
    },
    stop: () => registry.stop(),
    start: () => registry.start(),
    bytesOf: (digest) => registry.bytesOf(digest),
    bytesSent: () =>
      registry.requests.reduce((sum, { path, bytes }) => (path.includes('/blobs/') ? sum + bytes : sum), 0),
  };
}
