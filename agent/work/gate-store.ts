import { errorMessage } from '../core/failure.ts';
import { type GateRecord, parseGateRecord, toGateText } from '../core/gate.ts';
import type { Logger } from '../core/logger.ts';
import { createStateFile } from './state-file.ts';

/** Keeps since when the gate holds the node. Never throws: without it the deadline begins anew after a restart, and no more than that. */
export interface GateStore {
  load(): Promise<GateRecord | undefined>;
  save(record: GateRecord): Promise<void>;
  /** The gate holds the node no more. */
  remove(): Promise<void>;
}

/** `gate.json` in the state folder, whose lock the caller holds. */
export function createGateStore(stateDir: string, log: Logger): GateStore {
  const file = createStateFile(stateDir, 'gate.json');
  const complain = (verb: string, error: unknown): void => {
    log.warn(
      { file: file.path, error: errorMessage(error) },
      `the gate's file cannot be ${verb}: its deadline would begin anew`,
    );
  };
  return {
    load: async () => {
      try {
        const text = await file.read();
        if (text === undefined) return undefined;
        const record = parseGateRecord(text);
        if (record === undefined) complain('read', new Error('it is torn or of another version'));
        return record;
      } catch (error) {
        complain('read', error);
        return undefined;
      }
    },
    save: (record) => file.write(toGateText(record)).catch((error: unknown) => complain('written', error)),
    remove: () => file.remove().catch((error: unknown) => complain('removed', error)),
  };
}
