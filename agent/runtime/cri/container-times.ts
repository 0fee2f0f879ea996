/** When containers started and finished: the CRI's lists do not say, so each container is asked for once in each of its states. */

import { Failure, isRuntimeUnavailable } from '../../core/failure.ts';
import { mapBounded } from '../bounded.ts';
import type { GrpcClient } from '../grpc/client.ts';
import { type ContainerTimes, toEpochMsOfNs } from './cri-calls.ts';
import { cri, type CriContainer } from './cri-protocol.ts';

export interface ContainerTimesReader {
  /** By container id; what cannot be told now is missing. */
  read(containers: readonly CriContainer[], signal: AbortSignal): Promise<ReadonlyMap<string, ContainerTimes>>;
}

const parallelCalls = 16;
/** The answer comes from the runtime's memory; a runtime that has to ask a shim that hangs must not hold up the list. */
const deadlineMs = 5_000;

interface KnownTimes {
  readonly state: number;
  readonly times: ContainerTimes;
}

export function createContainerTimes(client: GrpcClient): ContainerTimesReader {
  let known: ReadonlyMap<string, KnownTimes> = new Map();

  async function ask({ id, state }: CriContainer, signal: AbortSignal): Promise<KnownTimes | undefined> {
    try {
      const { status } = await client.unary(cri.containerStatus, { container_id: id }, signal, { deadlineMs });
      const startedAt = toEpochMsOfNs(status?.started_at ?? '0');
      return { state, times: { startedAt, finishedAt: toEpochMsOfNs(status?.finished_at ?? '0') } };
    } catch (error) {
      if (error instanceof Failure && !isRuntimeUnavailable(error)) return undefined;
      throw error;
    }
  }

  return {
    async read(containers, signal) {
      let hangs = false;
      const entries = await mapBounded(containers, parallelCalls, async (container) => {
        const before = known.get(container.id);
        if (before?.state === container.state) return [container.id, before] as const;
        if (hangs) return [container.id, undefined] as const;
        const askedAt = performance.now();
        const now = await ask(container, signal);
        hangs ||= now === undefined && performance.now() - askedAt >= deadlineMs;
        return [container.id, now] as const;
      });
      const answer = new Map<string, KnownTimes>();
      for (const [id, now] of entries) if (now !== undefined) answer.set(id, now);
      known = answer;
      return new Map([...answer].map(([id, { times }]) => [id, times]));
    },
  };
}
