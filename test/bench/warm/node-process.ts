/** The simulated nodes, in a process of their own: what they read does not take the event loop of Harbor's double. */

import { serve } from '../swarm/child.ts';
import { type BenchNode, createNode, type NodeFigures, type NodeOptions } from './nodes.ts';

export interface NodesOrder extends NodeOptions {
  readonly nodes: number;
}

export interface Publication {
  readonly texts: readonly string[];
  /** The image is warm, or nobody waits for it any longer. */
  readonly isRelease: boolean;
}

if (process.send !== undefined) {
  let nodes: readonly BenchNode[] = [];
  serve(
    {
      start({ nodes: count, ...options }: NodesOrder) {
        nodes = Array.from({ length: count }, () => createNode(options));
      },
      want() {
        for (const node of nodes) node.want();
      },
      publish({ texts, isRelease }: Publication) {
        if (isRelease) for (const node of nodes) node.noteRelease();
        for (const node of nodes) node.publish(texts);
      },
      /** Resolves when all of them have the image. */
      async done(withinMs: number): Promise<readonly NodeFigures[]> {
        const signal = AbortSignal.timeout(withinMs);
        return await Promise.all(nodes.map((node) => node.done(signal)));
      },
    },
    () => undefined,
  );
}
