/** kubectl with the kubeconfig of KUBECONFIG. */

import { spawn } from 'node:child_process';
import { readList, readRecord, readString } from '../../agent/cluster/fields.ts';
import { runTool } from '../harness/process.ts';

/** @throws Error with its standard error */
export function kubectl(args: readonly string[], input = ''): Promise<string> {
  return runTool('kubectl', args, { input: Buffer.from(input), timeoutMs: 120_000 });
}

/** Of the current context, with files as their content. */
export async function readClusterOfKubeconfig(): Promise<Readonly<Record<string, unknown>>> {
  const view: unknown = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json']));
  return readRecord(readRecord(readList(readRecord(view)['clusters'])[0])['cluster']);
}

export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** The API server by plain http on the loopback, as the kubeconfig's user, whatever way that one proves who it is. */
export async function startProxy(): Promise<Proxy> {
  const child = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let text = '';
  const address = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const [, found] = /Starting to serve on (\S+)/.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    });
    void exited.then(() => reject(new Error(`kubectl proxy ended: ${text}`)));
  });
  return {
    url: `http://${address}`,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export async function readServerVersion(): Promise<string> {
  return readString(readRecord(JSON.parse(await kubectl(['get', '--raw', '/version'])))['gitVersion']) ?? '';
}
