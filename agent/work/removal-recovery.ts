import { Failure } from '../core/failure.ts';
import type { Logger } from '../core/logger.ts';
import type { CredentialLookup, Runtime } from '../runtime/runtime.ts';
import type { UsageTracker } from './usage-tracker.ts';

/**
 * Puts back what a removal that a kill cut off has taken: all names of an image go, or none. Never throws but `signal.reason`.
 * @returns how many images got names back; undefined: it could not be undone
 */
export async function recoverRemovals(
  runtime: Runtime,
  usage: Pick<UsageTracker, 'cutRemoval' | 'endRemoval'>,
  credentialsFor: CredentialLookup,
  log: Logger,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const restored = await runtime.undoRemovals(usage.cutRemoval, signal, credentialsFor);
    usage.endRemoval();
    for (const imageId of restored) log.warn({ imageId }, 'a removal was cut off: the image has its names back');
    return restored.length;
  } catch (error) {
    signal.throwIfAborted();
    log.error({ error: Failure.from(error).message }, 'a removal that was cut off could not be undone');
    return undefined;
  }
}
