/** Follows one pull in containerd's stores and reports every sign of progress, since PullImage itself is silent. */

import { Failure } from '../../core/failure.ts';
import type { GrpcClient } from '../grpc/client.ts';
import type { PullRequest } from '../runtime.ts';
import { mapBounded } from '../bounded.ts';
import { content, type Envelope, leases, snapshots, subscribe } from './containerd-protocol.ts';
import { decodeEvent } from './events.ts';
import { parseImageDocument } from './manifest.ts';
import { sleep } from '../../core/sleep.ts';
import { createPullTracker, type PullTracker } from './pull-tracker.ts';
import { readBlob } from './target-resolver.ts';

const fastestPollMs = 500;
const slowestPollMs = 1000;
/** A burst of events leads to no more than four looks a second: each costs CPU that unpacking could use. */
const shortestPauseMs = 250;
const maxPendingKeys = 64;
/** Asking for an active snapshot's size walks its files: only when nothing else moved for this long, and no oftener. */
const usageAfterMs = 10_000;
/** Manifests and configs are far smaller; containerd itself reads no manifest above 8 MiB. */
const maxDocumentBytes = 4 * 1024 * 1024;
const checksPerLook = 4;
const parallelCalls = 8;
const activeKind = 2;

export interface FollowedPull {
  readonly request: PullRequest;
  readonly leaseId: string | undefined;
  readonly snapshotter: string;
}

export interface PullFollower {
  /**
   * To be awaited before the pull: where what is pulled is known, reports what is here already, so that it can be told from what
   * comes. A fast pull would have brought megabytes by the first look beside it. Never throws.
   */
  begin(signal: AbortSignal): Promise<void>;
  /** Reports until the signal fires. Trouble with a look only delays the next one: the pull itself says what is wrong. */
  run(signal: AbortSignal): Promise<void>;
  /** The pull is through: everything is here, also what was never seen to come. */
  finish(): void;
}

export function createPullFollower(client: GrpcClient, pull: FollowedPull): PullFollower {
  const tracker = createPullTracker(pull.request.expected);
  return {
    async begin(signal) {
      if (pull.request.expected === undefined) return;
      const { first } = createLooks(client, pull, tracker, signal);
      await first().catch(() => undefined);
    },
    async run(signal) {
      const { listen, poll } = createLooks(client, pull, tracker, signal);
      await Promise.all([repeat(listen, signal), repeat(poll, signal)]);
    },
    finish() {
      if (tracker.progress().totalBytes === undefined) return;
      for (const digest of tracker.incomplete()) tracker.complete(digest);
      pull.request.onProgress(tracker.progress());
    },
  };
}

async function repeat(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await work().catch(() => undefined);
    await sleep(slowestPollMs, signal);
  }
}

function createLooks(
  client: GrpcClient,
  { request, leaseId, snapshotter }: FollowedPull,
  tracker: PullTracker,
  signal: AbortSignal,
) {
  const examined = new Set<string>();
  /** Keys and names of snapshot events since the last look. */
  let snapshotKeys: string[] = [];
  let wake = new AbortController();
  let activeBytes = 0;
  let reportedBytes = 0;

  /** Snapshot events only say "look now": the look reports. */
  async function listen(): Promise<void> {
    const filters = ['prepare', 'commit'].map((action) => `namespace==k8s.io,topic=="/snapshot/${action}"`);
    for await (const envelope of client.stream(subscribe, { filters }, signal, { deadlineMs: 'none' }))
      onSnapshotEvent(envelope);
  }

  function onSnapshotEvent(envelope: Envelope): void {
    const { key = '', name = '' } = decodeEvent(client, envelope);
    // Until the chain ids are known, any of them may be ours.
    if (tracker.chainIds().length > 0 && tracker.toChainId(key) === undefined) return;
    snapshotKeys = [...snapshotKeys.slice(-maxPendingKeys), key, name];
    wake.abort();
  }

  /** True when a layer of ours began or ended being unpacked. */
  function takeSnapshotEvents(): boolean {
    if (tracker.chainIds().length === 0) return false;
    const ours = snapshotKeys.map(tracker.toChainId).filter((chainId) => chainId !== undefined);
    for (const name of snapshotKeys) tracker.completeLayer(name);
    snapshotKeys = [];
    return ours.length > 0;
  }

  async function isPresent(digest: string): Promise<boolean> {
    return (await exists(client.unary(content.info, { digest }, signal))) !== undefined;
  }

  async function checkBlobs(digests: readonly string[]): Promise<void> {
    await mapBounded(digests, parallelCalls, async (digest) => {
      if (!(await isPresent(digest))) return;
      await examine(digest);
      tracker.complete(digest);
    });
  }

  /** Reads a small blob once, in case it is the manifest or the config. */
  async function examine(digest: string): Promise<void> {
    if (examined.has(digest) || tracker.isDescribed()) return;
    const answer = await exists(client.unary(content.info, { digest }, signal));
    if (answer === undefined) return;
    examined.add(digest);
    if (Number(answer.info.size) > maxDocumentBytes) return;
    const document = parseImageDocument((await readBlob(client, digest, signal)) ?? Buffer.alloc(0));
    if (document === undefined) return;
    tracker.learn(digest, document);
    if (document.kind === 'manifest') await checkBlobs(tracker.unseen());
    if (document.kind !== 'index') await findUnpacked();
  }

  /** Layers that are unpacked already are not fetched: the highest one that exists tells of all below. */
  async function findUnpacked(): Promise<void> {
    const chain = tracker.chainIds();
    for (let index = chain.length - 1; index >= 0; index -= 1) {
      const found = await exists(client.unary(snapshots.stat, { snapshotter, key: chain[index] ?? '' }, signal));
      if (found === undefined) continue;
      for (const chainId of chain.slice(0, index + 1)) tracker.completeLayer(chainId);
      return;
    }
  }

  /** Our lease holds what our pull touched, present blobs included: that is how the manifest of a tag is found. */
  async function discover(): Promise<void> {
    if (tracker.isDescribed() || leaseId === undefined) return;
    const answer = await exists(client.unary(leases.listResources, { id: leaseId }, signal));
    for (const { id, type } of answer?.resources ?? []) if (type === 'content') await examine(id);
  }

  async function activeGrew(): Promise<boolean> {
    let bytes = 0;
    const filters = ['kind==active'];
    for await (const { info } of client.stream(snapshots.list, { snapshotter, filters }, signal)) {
      for (const { name, kind } of info) {
        if (kind !== activeKind || tracker.toChainId(name) === undefined) continue;
        const usage = await exists(client.unary(snapshots.usage, { snapshotter, key: name }, signal));
        bytes += Number(usage?.size ?? 0);
      }
    }
    const grew = bytes > activeBytes;
    activeBytes = bytes;
    return grew;
  }

  async function look(): Promise<boolean> {
    const { statuses } = await client.unary(content.listStatuses, { filters: [] }, signal);
    const { moved, gone } = tracker.observe(statuses);
    const unseen = tracker.unseen().filter((digest) => !gone.includes(digest));
    await checkBlobs([...gone, ...rotate(unseen)]);
    await discover();
    return takeSnapshotEvents() || moved || tracker.progress().downloadedBytes !== reportedBytes;
  }

  let turn = 0;
  function rotate(digests: readonly string[]): readonly string[] {
    const start = digests.length === 0 ? 0 : (turn * checksPerLook) % digests.length;
    turn += 1;
    return digests.slice(start, start + checksPerLook);
  }

  function report(): void {
    const progress = tracker.progress();
    reportedBytes = progress.downloadedBytes;
    request.onProgress(progress);
  }

  async function first(): Promise<void> {
    await checkBlobs(tracker.unseen());
    await look();
    report();
  }

  async function poll(): Promise<void> {
    let pauseMs = fastestPollMs;
    let quietSince = Date.now();
    while (!signal.aborted) {
      let moved = await look();
      if (!moved && Date.now() - quietSince >= usageAfterMs) {
        quietSince = Date.now();
        moved = await activeGrew();
      }
      if (moved) {
        quietSince = Date.now();
        report();
      }
      const eager = moved || tracker.progress().totalBytes === undefined;
      pauseMs = eager ? fastestPollMs : Math.min(slowestPollMs, pauseMs * 1.5);
      await sleep(shortestPauseMs, signal);
      await sleep(pauseMs - shortestPauseMs, AbortSignal.any([signal, wake.signal]));
      wake = new AbortController();
    }
  }

  return { first, listen, poll };
}

/** The answer, or undefined where the thing asked for does not exist. */
async function exists<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined;
    throw error;
  }
}
