import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Failure } from '../../../agent/core/failure.ts';
import { toChainIds } from '../../../agent/core/layers.ts';
import { createPullFollower } from '../../../agent/runtime/containerd/pull-progress.ts';
import type { GrpcClient } from '../../../agent/runtime/grpc/client.ts';
import type { PullProgress } from '../../../agent/runtime/runtime.ts';

const id = (letter: string): string => `sha256:${letter.repeat(64)}`;
const [manifest, config, layer] = [id('a'), id('b'), id('c')];
const chainId = toChainIds([id('d')])[0] ?? '';
const documents: Readonly<Record<string, unknown>> = {
  [manifest]: { config: { digest: config, size: 50 }, layers: [{ digest: layer, size: 1000 }] },
  [config]: { rootfs: { type: 'layers', diff_ids: [id('d')] } },
};

/** A containerd that holds one image's blobs and unpacks its layer. */
class Containerd {
  activeBytes = 0;
  usageCalls = 0;

  readonly client = {
    unary: async (method: { service: string; name: string }, request: never) => {
      await Promise.resolve();
      return this.answer(`${method.service.split('.').at(-1)}/${method.name}`, request);
    },
    stream: (method: { service: string; name: string }, request: never, signal: AbortSignal) =>
      this.items(`${method.service.split('.').at(-1)}/${method.name}`, request, signal),
  } as unknown as GrpcClient;

  private answer(method: string, { digest }: { digest: string }): unknown {
    switch (method) {
      case 'Content/ListStatuses':
        return { statuses: [] };
      case 'Content/Info':
        return { info: { digest, size: '50' } };
      case 'Leases/ListResources':
        return { resources: [manifest, config, layer].map((digestOfBlob) => ({ id: digestOfBlob, type: 'content' })) };
      case 'Snapshots/Usage':
        this.usageCalls += 1;
        return { size: String(this.activeBytes) };
      default:
        throw new Failure('not_found', method);
    }
  }

  private async *items(method: string, { digest }: { digest: string }, signal: AbortSignal): AsyncGenerator<unknown> {
    if (method === 'Content/Read') yield { data: Buffer.from(JSON.stringify(documents[digest] ?? 'layer')) };
    else if (method === 'Snapshots/List') yield { info: [{ name: `extract-1-x ${chainId}`, parent: '', kind: 2 }] };
    else await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }
}

describe('the progress of a pull whose blobs are all here', () => {
  let containerd: Containerd;
  let reports: PullProgress[];
  let ended: AbortController;

  beforeEach(() => {
    vi.useFakeTimers();
    containerd = new Containerd();
    reports = [];
    ended = new AbortController();
    const request = {
      reference: 'h/app:1',
      credential: undefined,
      expected: undefined,
      onProgress: (progress: PullProgress) => reports.push(progress),
    };
    const follower = createPullFollower(containerd.client, { request, leaseId: 'l', snapshotter: 'overlayfs' });
    void follower.run(ended.signal);
  });
  afterEach(() => {
    ended.abort();
    vi.useRealTimers();
  });

  it('is the growth of the layer being unpacked, asked for only when nothing else moves', async () => {
    await vi.advanceTimersByTimeAsync(5_000);
    expect(reports.at(-1)).toEqual({ downloadedBytes: 1050, totalBytes: 1050 });
    expect(containerd.usageCalls).toBe(0);
    const before = reports.length;
    for (let step = 0; step < 60; step += 1) {
      containerd.activeBytes += 1_000_000;
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(reports.length - before).toBeGreaterThanOrEqual(4);
    expect(containerd.usageCalls).toBeLessThanOrEqual(6);
  });

  it('is silence when the layer does not grow: that is a stall', async () => {
    containerd.activeBytes = 5;
    await vi.advanceTimersByTimeAsync(30_000);
    const before = reports.length;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(reports.length).toBe(before);
  });

  it('begins with what is here already, before the pull: a fast one has fetched megabytes by the first look beside it', async () => {
    const known: PullProgress[] = [];
    const request = {
      reference: 'h/app:2',
      credential: undefined,
      expected: [{ digest: `sha256:${'e'.repeat(64)}`, sizeBytes: 4000 }],
      onProgress: (progress: PullProgress) => known.push(progress),
    };
    const follower = createPullFollower(new Containerd().client, { request, leaseId: 'l', snapshotter: 'overlayfs' });
    await follower.begin(ended.signal);
    expect(known).toEqual([{ downloadedBytes: 4000, totalBytes: 4000 }]);
  });
});
