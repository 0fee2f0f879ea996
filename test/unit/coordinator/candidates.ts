import { vi } from 'vitest';
import { Election, type ElectionRole } from '../../../agent/coordinator/election.ts';
import { silentLogger } from '../../../agent/core/logger.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { RecordingHarborRecorder } from '../../fakes/recording-harbor-recorder.ts';

export interface Candidate {
  readonly cluster: FakeCluster;
  readonly election: Election;
  readonly recorder: RecordingHarborRecorder;
  /** How often its work was begun, and is going on now. */
  begun: number;
  leading: boolean;
  changes: number;
  stop(): Promise<void>;
}

/** Agents of one cluster that want to coordinate. */
export class Candidates {
  readonly api = new FakeApi();
  readonly #all: Candidate[] = [];

  start(nodeName: string, random: () => number = () => 0.5, role: ElectionRole = 'candidate'): Candidate {
    const stop = new AbortController();
    const cluster = new FakeCluster(nodeName, { api: this.api });
    const recorder = new RecordingHarborRecorder();
    const election = new Election({
      cluster,
      nodeName,
      lead: async (signal) => {
        candidate.begun += 1;
        candidate.leading = true;
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        candidate.leading = false;
      },
      onChange: () => {
        candidate.changes += 1;
      },
      recorder,
      log: silentLogger,
      random,
    });
    election.setRole(role);
    const running = election.run(stop.signal);
    const candidate: Candidate = {
      cluster,
      election,
      recorder,
      begun: 0,
      leading: false,
      changes: 0,
      stop: () => {
        stop.abort();
        return running;
      },
    };
    this.#all.push(candidate);
    return candidate;
  }

  get leaders(): readonly Candidate[] {
    return this.#all.filter(({ leading }) => leading);
  }

  get lease() {
    return this.api.lease('stevedore-coordinator');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((one) => one.stop()));
  }
}

export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
export const gets = ({ cluster }: Candidate): number => cluster.calls.filter((call) => call === 'getLease').length;
export const writes = ({ cluster }: Candidate): number => cluster.calls.length - gets({ cluster } as Candidate);
