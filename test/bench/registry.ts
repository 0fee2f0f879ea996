/** A real docker-registry that clients talk to directly: a proxy in between would take CPU from what is measured. Its access log counts. */

import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../harness/folder.ts';
import { startDaemon } from '../harness/process.ts';

export interface BlobRequest {
  readonly digest: string;
  readonly status: number;
  /** The agent reads the config of an image that it plans to pull; the rest is the runtime's. */
  readonly byAgent: boolean;
  /** Body bytes that the registry wrote; what the kernel had buffered when a client left is counted. */
  readonly bytes: number;
}

export interface BenchRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** For `pushImage`. */
  readonly target: { readonly origin: string; readonly authorization: undefined };
  /** Blob GETs that ended since the last call. */
  takeBlobRequests(): Promise<BlobRequest[]>;
  remove(): Promise<void>;
}

/** Apache's combined format: `… "GET /v2/NAME/blobs/DIGEST HTTP/1.1" STATUS BYTES "REFERER" "USER-AGENT"`. */
const blobGet = /"GET \/v2\/[^ "]+\/blobs\/(sha256:[0-9a-f]{64})[^"]*" (\d{3}) (\d+) "[^"]*" "([^"]*)"/g;
/** The log's line is written after the answer's last byte. */
const logDelayMs = 200;

/** @param storage a folder for the content that stays; undefined: it goes with the registry */
export async function startBenchRegistry(storage?: string): Promise<BenchRegistry> {
  const folder = await makeFolder('stv-br');
  try {
    const rootdirectory = storage ?? join(folder.path, 'storage');
    await mkdir(rootdirectory, { recursive: true });
    const config = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory }, maintenance: { uploadpurging: { enabled: false } } },
      http: { addr: '127.0.0.1:0', relativeurls: true, secret: 'bench' },
    };
    const path = join(folder.path, 'registry.yml');
    await writeFile(path, JSON.stringify(config));
    const daemon = await startDaemon({
      name: 'registry',
      command: 'docker-registry',
      args: ['serve', path],
      folder: folder.path,
      env: { OTEL_TRACES_EXPORTER: 'none' },
      ready: (log) => log.includes('listening on'),
      graceMs: 2_000,
    });
    const port = Number(/listening on [^\s"]*:(\d+)/.exec(await daemon.log())?.[1]);
    let position = 0;
    return {
      host: `127.0.0.1:${port}`,
      port,
      get pid() {
        return daemon.pid;
      },
      target: { origin: `http://127.0.0.1:${port}`, authorization: undefined },
      async takeBlobRequests() {
        await sleep(logDelayMs);
        const { text, end } = await readFrom(daemon.logPath, position);
        position = end;
        return [...text.matchAll(blobGet)].map(([, digest = '', status, bytes, client = '']) => ({
          digest,
          byAgent: !/^(?:containerd|docker)\//.test(client),
          status: Number(status),
          bytes: Number(bytes),
        }));
      },
      async remove() {
        await daemon.stop();
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** How many blobs were fetched more than once by the same client. */
export function countRepeated(requests: readonly BlobRequest[]): number {
  const times = new Map<string, number>();
  for (const { digest, bytes, byAgent } of requests) {
    const key = `${digest} ${byAgent}`;
    if (bytes > 0) times.set(key, (times.get(key) ?? 0) + 1);
  }
  return [...times.values()].filter((count) => count > 1).length;
}

async function readFrom(path: string, position: number): Promise<{ text: string; end: number }> {
  await using file = await open(path);
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - position), 0, size - position, position);
  const text = buffer.subarray(0, bytesRead).toString();
  // A line that is being written is for the next time.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return { text: whole, end: position + Buffer.byteLength(whole) };
}
