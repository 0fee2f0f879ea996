import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { errorMessage } from '../core/failure.ts';
import { type GateRecord, parseGateRecord, toGateText } from '../core/gate.ts';
import type { Logger } from '../core/logger.ts';

/** Keeps since when the gate holds the node. Never throws: without it the deadline begins anew after a restart, and no more than that. */
export interface GateStore {
  load(): Promise<GateRecord | undefined>;
  save(record: GateRecord): Promise<void>;
  /** The gate holds the node no more. */
  remove(): Promise<void>;
}

/** `gate.json` in the state folder, whose lock the caller holds. */
export function createGateStore(stateDir: string, log: Logger): GateStore {
  const path = join(stateDir, 'gate.json');
  const complain = (verb: string, error: unknown): void => {
    log.warn(
      { file: path, error: errorMessage(error) },
      `the gate's file cannot be ${verb}: its deadline would begin anew`,
    );
  };
  return {
    load: async () => {
      try {
        const record = parseGateRecord(await readFile(path, 'utf8'));
        if (record === undefined) complain('read', new Error('it is torn or of another version'));
        return record;
      } catch (error) {
        if (!isMissing(error)) complain('read', error);
        return undefined;
      }
    },
    save: (record) =>
      writeFileAtomic(path, toGateText(record), { mode: 0o600, fsync: true }).catch((error: unknown) =>
        complain('written', error),
      ),
    remove: () => rm(path, { force: true }).catch((error: unknown) => complain('removed', error)),
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
