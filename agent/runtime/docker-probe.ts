import { get } from 'node:http';
import { text } from 'node:stream/consumers';

import { errorMessage } from '../core/failure.ts';
import { runWithDeadline } from './deadline.ts';
import type { ProbeAnswer } from './detection.ts';

const timeoutMs = 5_000;

/** Asks `/_ping`, without loading a client library. Only an abort rejects. */
export async function probeDocker(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer> {
  try {
    return await runWithDeadline('docker: GET /_ping', timeoutMs, signal, (either) => ping(socketPath, either));
  } catch (error) {
    signal.throwIfAborted();
    return { live: false, reason: errorMessage(error) };
  }
}

function ping(socketPath: string, signal: AbortSignal): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path: '/_ping', signal, agent: false }, (response) => {
      text(response).then((body) => {
        const { server, 'api-version': apiVersion } = response.headers;
        if (response.statusCode !== 200 || body !== 'OK' || apiVersion === undefined) {
          resolve({ live: false, reason: `/_ping answers ${response.statusCode} ${body.slice(0, 100)}` });
          return;
        }
        resolve({ live: true, name: 'docker', version: /^Docker\/(\S+)/.exec(String(server))?.[1] ?? '' });
      }, reject);
    });
    request.on('error', reject);
  });
}
