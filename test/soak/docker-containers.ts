/** Containers made and removed by one request each, as the kubelet's shim does it: the command line would pull what is missing. */

import { Agent, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';

export interface ContainerMaker {
  /** @returns its id; undefined when dockerd refused */
  create(image: string): Promise<string | undefined>;
  remove(id: string): Promise<void>;
  close(): void;
}

export function containerMaker(socketPath: string): ContainerMaker {
  const agent = new Agent({ keepAlive: true });

  function ask(method: string, path: string, body?: object): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const outgoing = request({ socketPath, agent, method, path, headers, timeout: 60_000 }, resolve);
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer within 60 s`)));
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  return {
    async create(image) {
      const answer = await ask('POST', '/containers/create', { Image: image, HostConfig: { NetworkMode: 'none' } });
      const body = (await json(answer)) as { readonly Id?: string };
      return answer.statusCode === 201 ? body.Id : undefined;
    },
    async remove(id) {
      const answer = await ask('DELETE', `/containers/${id}?force=true`);
      answer.resume();
      if (answer.statusCode !== 204) throw new Error(`container ${id} was not removed: ${answer.statusCode}`);
    },
    close: () => agent.destroy(),
  };
}
