import { vi } from 'vitest';
import { silentLogger } from '../../../agent/core/logger.ts';
import { PullSlots } from '../../../agent/work/pull-slots.ts';
import { FakeApi, FakeCluster } from '../../fakes/fake-cluster.ts';
import { RecordingRecorder } from '../../fakes/recording-recorder.ts';

export interface SlotAgent {
  readonly cluster: FakeCluster;
  readonly slots: PullSlots;
  readonly recorder: RecordingRecorder;
  /** How often it was told that pulls may begin, or may not any more. */
  changes: number;
  stop(): Promise<void>;
}

/** Nodes of one cluster that share its pull slots. */
export class SlotAgents {
  readonly api = new FakeApi();
  readonly #agents: SlotAgent[] = [];

  start(nodeName: string, maxNodes: number | undefined, random: () => number = Math.random): SlotAgent {
    const stop = new AbortController();
    const cluster = new FakeCluster(nodeName, { api: this.api });
    const recorder = new RecordingRecorder();
    const slots = new PullSlots({
      cluster,
      nodeName,
      recorder,
      log: silentLogger,
      onChange: () => {
        agent.changes += 1;
      },
      random,
    });
    slots.setLimit(maxNodes);
    const running = slots.run(stop.signal);
    const agent: SlotAgent = {
      cluster,
      slots,
      recorder,
      changes: 0,
      stop: () => {
        stop.abort();
        return running;
      },
    };
    this.#agents.push(agent);
    return agent;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.stop()));
  }

  /** Somebody else holds a slot and says nothing more. */
  occupy(index: number, holder: string, durationSeconds = 60): void {
    this.api.setLease({ name: `stevedore-pull-${index}`, holder, durationSeconds, renewedAt: Date.now() });
  }

  holder(index: number): string | undefined {
    return this.api.lease(`stevedore-pull-${index}`)?.holder;
  }

  /** How many slots somebody holds. */
  get held(): number {
    return this.api.leases().filter(({ holder }) => holder !== '').length;
  }
}

export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
export const mayPull = ({ slots }: SlotAgent): boolean => slots.slot === 'free';
export const lists = ({ cluster }: SlotAgent): number => cluster.calls.filter((call) => call === 'listLeases').length;
