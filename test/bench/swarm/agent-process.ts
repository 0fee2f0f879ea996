/** Some of the swarm's agents in one process. */

import { type News, serve } from './child.ts';
import { installFastTime } from './fast-time.ts';

export interface AgentOrder {
  readonly names: readonly string[];
  /** Of the kubeconfigs: a file each, by the Node's name. */
  readonly folder: string;
  /** The image is there when the agent starts. */
  readonly isWarm: boolean;
}

export interface ProcessFigures {
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  /** Warnings and errors by their words. */
  readonly complaints: Readonly<Record<string, number>>;
  /** How long each node waited for its slot, seconds. */
  readonly slotWaits: readonly number[];
  readonly failedOpen: number;
  readonly eventsDropped: number;
  readonly watchRestarts: number;
}

/** So many begin at a time: a thousand handshakes at once would only test this machine. */
const startsAtOnce = 4;

if (process.send !== undefined) await main();

async function main(): Promise<void> {
  const setSpeed = installFastTime();
  const { SwarmAgents } = await import('./agents.ts');
  const pulls = new Map<string, () => void>();
  const tell = (news: News): void => void process.send?.(news);
  const agents = new SwarmAgents({
    transfer: (node, signal) => {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          pulls.delete(node);
          tell({ news: 'left', node });
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        pulls.set(node, () => {
          pulls.delete(node);
          signal.removeEventListener('abort', onAbort);
          resolve();
        });
        tell({ news: 'pull', node });
      });
    },
  });

  serve(
    {
      /** Resolves when all of them watch. */
      async start({ names, folder, isWarm }: AgentOrder) {
        const waiting = [...names];
        const startSome = async (): Promise<void> => {
          for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
            await agents.start(name, folder, isWarm);
          }
        };
        await Promise.all(Array.from({ length: startsAtOnce }, startSome));
      },
      figures(): ProcessFigures {
        globalThis.gc?.();
        const { rss, heapUsed } = process.memoryUsage();
        const { user, system } = process.cpuUsage();
        return { rssBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6, ...agents.figures };
      },
    },
    (news) => {
      if (news.news === 'speed') setSpeed(news.factor);
      else pulls.get(news.node)?.();
    },
  );
}
