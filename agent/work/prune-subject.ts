import { toHolds } from '../core/node-holds.ts';
import type { NodeInputs } from './node-inputs.ts';
import type { PruneSubject } from './prune-view.ts';
import type { Reconciler } from './reconciler.ts';
import type { Connected } from './runtime-connection.ts';

/** Everything that is desired must be known: with half of it, the rest would look unwanted. Undefined while something is missing. */
export function toPruneSubject(
  { configuration, node }: Pick<NodeInputs, 'configuration' | 'node'>,
  reconciler: Pick<Reconciler, 'desiredNames' | 'desired' | 'pullingSince'>,
  connected: Connected | undefined,
  ownImage: string | undefined,
): PruneSubject | undefined {
  if (configuration === undefined || node === undefined || connected === undefined) return undefined;
  return {
    settings: configuration.prune,
    connected,
    desired: reconciler.desiredNames,
    unresolved: reconciler.desired.unresolved.map(({ pattern }) => pattern),
    pullingSince: (at) => reconciler.pullingSince(at),
    ownImage,
    hold: toHolds(node, configuration.prefetch).prune,
  };
}
