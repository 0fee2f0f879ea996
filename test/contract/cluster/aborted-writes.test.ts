/** A write that nobody waits for any more must not be taken back before it is on its way: see agent/registry/api-dispatcher.ts. */

import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { nodeName, startAdapter } from './setup.ts';

const never = new AbortController().signal;
const label = 'image-set.stevedore.dev/a';

test('whoever aborts a write is let go at once, and the write still goes out whole', async () => {
  const { server, cluster } = await startAdapter();
  await cluster.read(never);
  const stop = new AbortController();
  const writing = cluster.patchNodeStatus({ labels: { [label]: 'ready' }, condition: undefined }, stop.signal);
  // No macrotask in between: the stream has its body, and the socket does not yet.
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  stop.abort(new Error('nobody waits'));
  await expect(writing).rejects.toThrow('nobody waits');
  while (server.get('nodes', nodeName)?.metadata.labels?.[label] !== 'ready') await wait(10);
});
