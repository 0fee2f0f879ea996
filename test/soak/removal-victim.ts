/** Removes one image, and kills itself on the way: a process of its own, begun by removal-kills.ts. */

import { writeSync } from 'node:fs';
import type { GrpcClient } from '../../agent/runtime/grpc/client.ts';
import { raceContainers, type RaceImage } from './race-containers.ts';
import { connect, removalOn, soon } from './race-node.ts';

export interface VictimOrder {
  readonly endpoint: string;
  readonly folder: string;
  readonly image: RaceImage;
  readonly write: number;
  readonly after: boolean;
  readonly used: boolean;
}

const changing = new Set(['Create', 'AddResource', 'Update', 'Delete']);

const order = JSON.parse(process.env['STEVEDORE_VICTIM'] ?? '') as VictimOrder;
const client = connect(order.endpoint);
const containers = await raceContainers(order.endpoint, order.folder);
let writes = 0;
let container: Promise<void> | undefined;

async function useImage(): Promise<void> {
  const id = await containers.createByClient(order.image, () => Promise.resolve());
  // At once: the kill may be the next thing that happens.
  writeSync(1, id);
}

const mortal: GrpcClient = {
  ...client,
  async unary(method, request, signal, options) {
    if (!changing.has(method.name)) return await client.unary(method, request, signal, options);
    if (order.used && method.service.endsWith('Images')) {
      container ??= useImage();
      await container;
    }
    writes += 1;
    const last = writes === order.write;
    if (last && !order.after) process.kill(process.pid, 'SIGKILL');
    const answer = await client.unary(method, request, signal, options);
    if (last) process.kill(process.pid, 'SIGKILL');
    return answer;
  },
};

await removalOn(mortal).remove(order.image.id, soon());
containers.close();
client.close();
