/** Containers that `ctr` starts on a real containerd: the kubelet's CRI does not know them. */

import type { Containerd } from '../../harness/containerd.ts';
import { eventually } from '../helpers.ts';
import type { ContractContainers } from '../subject.ts';

export function ctrContainers(containerd: Containerd): ContractContainers {
  let created = 0;
  return {
    create: async (reference) => {
      created += 1;
      const id = `created-${created}`;
      await containerd.ctr('containers', 'create', reference, id);
      return id;
    },
    run: (reference) => containerd.run(reference),
    // The task is left, as the kubelet's containers leave theirs until they are removed.
    stop: async (id) => {
      await containerd.ctr('tasks', 'kill', '--signal', 'SIGKILL', id);
      await eventually(async () => {
        const row = (await containerd.ctr('tasks', 'ls')).split('\n').find((line) => line.startsWith(`${id} `));
        if (row?.includes('STOPPED') !== true) throw new Error(`${id} runs: ${row}`);
      });
    },
    remove: (id) => containerd.removeContainer(id),
  };
}
