/** What snapshots take on disk: removing an image gives this back within 0.2 % (containerd 1.6 and 2.4), where nothing else holds them. */

import { Failure } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { mapBounded } from './bounded.ts';
import { snapshots } from './containerd-protocol.ts';

const parallelCalls = 16;

export interface SnapshotUsage {
  /** On-disk bytes of committed snapshots, each without its parents; those that are gone are left out. One call for each that is new. */
  read(names: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** Forgets all others. */
  keepOnly(names: ReadonlySet<string>): void;
}

export function createSnapshotUsage(
  client: GrpcClient,
  snapshotterOf: (signal: AbortSignal) => Promise<string>,
): SnapshotUsage {
  /** By chain id: a committed snapshot never changes. */
  const known = new Map<string, number>();

  return {
    async read(names, signal) {
      const snapshotter = await snapshotterOf(signal);
      const unknown = [...names].filter((name) => !known.has(name));
      await mapBounded(unknown, parallelCalls, async (key) => {
        try {
          const { size } = await client.unary(snapshots.usage, { snapshotter, key }, signal);
          known.set(key, Number(size));
        } catch (error) {
          // Removed since it was listed.
          if (!(error instanceof Failure && error.code === 'not_found')) throw error;
        }
      });
      const found = new Map<string, number>();
      for (const name of names) {
        const bytes = known.get(name);
        if (bytes !== undefined) found.set(name, bytes);
      }
      return found;
    },

    keepOnly(names) {
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    },
  };
}
