import type { RemovalLock } from './removal-lock.ts';

/** What pulling asks of pruning. */
export interface PruneHook {
  readonly lock: Pick<RemovalLock, 'blocks' | 'keep' | 'namesSince'>;
  /** Bytes that pruning could free for a pull now; 0 where it may not. */
  reclaimableBytes(signal: AbortSignal): Promise<number>;
  /** So many bytes must be free below the high watermark for what waits; 0: nothing waits, or nothing helps. */
  makeRoom(bytes: number): void;
  /** Something waits for room, and pruning is at it or about to be. */
  readonly isMakingRoom: boolean;
}
