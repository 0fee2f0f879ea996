import type { Logger } from '../core/logger.ts';
import type { NodeHold, NodeHolds } from '../core/node-holds.ts';
import type { Recorder } from './recorder.ts';

const jobs = ['pull', 'prune'] as const;

/** Says what the node itself holds back: changes in the log, the state in the metrics. */
export class HoldReport {
  readonly #recorder: Pick<Recorder, 'nodeHolds'>;
  readonly #log: Logger;
  #said: NodeHolds = { pull: undefined, prune: undefined };

  constructor(recorder: Pick<Recorder, 'nodeHolds'>, log: Logger) {
    this.#recorder = recorder;
    this.#log = log;
  }

  write(holds: NodeHolds): void {
    this.#recorder.nodeHolds(holds.pull?.reason, holds.prune?.reason);
    for (const job of jobs) this.#say(job, this.#said[job], holds[job]);
    this.#said = holds;
  }

  #say(job: (typeof jobs)[number], before: NodeHold | undefined, now: NodeHold | undefined): void {
    if (before?.message === now?.message) return;
    if (now === undefined) this.#log.info({ job }, 'the node holds this job back no longer');
    else this.#log.warn({ job, reason: now.reason, why: now.message }, 'the node holds this job back');
  }
}
