/** One variant: all nodes want the cold image at once, until the last has it. */

import { setTimeout as wait } from 'node:timers/promises';
import type { WarmMethod } from '../../../agent/core/configuration.ts';
import { type Gateway, startGateway } from '../../harness/harbor/harbor.ts';
import { startChild } from '../swarm/child.ts';
import { buildColdImage, type ColdImage, toRuntimeSpec } from './cold-image.ts';
import { createLeader, type Leader } from './leader.ts';
import type { NodesOrder, Publication } from './node-process.ts';
import type { NodeFigures } from './nodes.ts';
import type { Place } from './place.ts';
import {
  type RequestCounts,
  sumRequests,
  totalOf,
  toUpstreamFigures,
  type UpstreamFigures,
} from './upstream-figures.ts';

export interface Variant {
  readonly name: string;
  /** Undefined: nobody coordinates, and the nodes pull by tag at once. */
  readonly method: WarmMethod | undefined;
  /** The nodes' runtime cannot name what was pulled by digest. */
  readonly byTag?: boolean;
  /** Harbor is behind a gateway that reads on when its client has left. */
  readonly swallowsAborts?: boolean;
}

export interface Load {
  readonly nodes: number;
  readonly imageMib: number;
  readonly upstreamBytesPerSecond: number;
}

export interface VariantResult {
  readonly name: string;
  readonly method: WarmMethod | undefined;
  readonly checkPeriodSeconds: number;
  readonly imageBytes: number;
  readonly upstream: UpstreamFigures;
  /** Of what began after the release; undefined: there was none. */
  readonly upstreamAfter: UpstreamFigures | undefined;
  readonly harbor: {
    /** As the clients count them. */
    readonly all: number;
    readonly leader: number;
    readonly leaderByKind: RequestCounts;
    /** Of runtime and agent, medians do not differ from it: all nodes do the same. */
    readonly perNode: number;
    readonly perNodeBefore: number;
    readonly nodesByKind: RequestCounts;
    /** As Harbor counts them. */
    readonly seen: number | undefined;
  };
  /** From the moment that the image is wanted, s. */
  readonly releasedAfter: number | undefined;
  readonly firstNodeAfter: number;
  readonly lastNodeAfter: number;
  readonly warmState: string | undefined;
  readonly pulledByDigest: number;
  readonly failedPulls: Readonly<Record<string, number>>;
  readonly complaints: readonly string[];
}

const repository = 'team/cold';
const tag = 'v1';
/** The upstream's last downloads end after the last node. */
const quietWithinMs = 120_000;

export async function runVariant(variant: Variant, place: Place, load: Load): Promise<VariantResult> {
  const { method, byTag = false, swallowsAborts = false, name } = variant;
  await using scope = new AsyncDisposableStack();
  const image = buildColdImage(`${place.project} ${name}`, load.imageMib);
  const { upstream, project, login } = place;
  await upstream.push(repository, tag, image.index);
  upstream.requests.length = 0;
  upstream.faults.bytesPerSecond = load.upstreamBytesPerSecond;

  let gateway: Gateway | undefined;
  if (swallowsAborts) {
    gateway = await startGateway({ target: new URL(place.url).host, passesAborts: false });
    const { stop } = gateway;
    scope.defer(() => stop());
  }
  const url = gateway === undefined ? place.url : `http://${gateway.host}`;
  const { host } = new URL(url);
  const reference = `${host}/${project}/${repository}:${tag}`;
  const configuration = method === undefined ? undefined : toConfiguration(url, reference, method);

  const child = startChild('../warm/node-process.ts', () => undefined);
  scope.defer(() => child.kill());
  const order: NodesOrder = {
    url,
    login,
    reference,
    spec: toRuntimeSpec(image),
    configuration,
    runtime: byTag ? 'cri' : 'containerd',
    nodes: load.nodes,
  };
  await child.ask('start', order);

  const seenBefore = place.harborRequests() ?? 0;
  const startedAt = performance.now();
  const startedEpoch = Date.now();
  let releasedAt: number | undefined;
  let leader: Leader | undefined;
  const telling: Promise<unknown>[] = [];
  if (configuration !== undefined) {
    leader = createLeader({
      configuration,
      login,
      reference,
      onPublished: (texts, isReleased) => {
        const isRelease = isReleased && releasedAt === undefined;
        if (isRelease) releasedAt = performance.now();
        const publication: Publication = { texts, isRelease };
        telling.push(child.ask('publish', publication));
      },
    });
    const end = new AbortController();
    const leading = leader.run(end.signal);
    scope.defer(async () => {
      end.abort();
      await leading;
    });
  }
  await child.ask('want');
  const figures = await child.ask<readonly NodeFigures[]>('done', toLimitMs(load, image));
  await Promise.all(telling);
  await quiet(place);
  const seen = place.harborRequests();
  return toResult(variant, { figures, leader, image, place, startedAt, startedEpoch, releasedAt, seen, seenBefore });
}

interface Ended {
  readonly figures: readonly NodeFigures[];
  readonly leader: Leader | undefined;
  readonly image: ColdImage;
  readonly place: Place;
  readonly startedAt: number;
  readonly startedEpoch: number;
  readonly releasedAt: number | undefined;
  readonly seen: number | undefined;
  readonly seenBefore: number;
}

function toResult({ name, method }: Variant, ended: Ended): VariantResult {
  const { figures, leader, image, place, startedAt, startedEpoch, releasedAt, seen, seenBefore } = ended;
  const { requests } = place.upstream;
  const byKind = sumRequests(figures.map((one) => ({ ...one.requests, 'of the agent': one.agentRequests })));
  const ofNodes = totalOf(byKind);
  const ofLeader = leader?.requests ?? {};
  const doneAfter = figures.map(({ doneAt }) => (doneAt - startedEpoch) / 1000);
  const failed = figures.flatMap(({ failures }) => failures.map((words) => ({ [words]: 1 })));
  return {
    name,
    method,
    checkPeriodSeconds: place.checkPeriodMs / 1000,
    imageBytes: image.bytes,
    upstream: toUpstreamFigures(requests, image.bytes),
    upstreamAfter: releasedAt === undefined ? undefined : toUpstreamFigures(requests, image.bytes, releasedAt),
    harbor: {
      all: ofNodes + totalOf(ofLeader),
      leader: totalOf(ofLeader),
      leaderByKind: ofLeader,
      perNode: ofNodes / figures.length,
      perNodeBefore: figures.reduce((sum, { requestsBefore }) => sum + requestsBefore, 0) / figures.length,
      nodesByKind: byKind,
      seen: seen === undefined ? undefined : seen - seenBefore,
    },
    releasedAfter: releasedAt === undefined ? undefined : (releasedAt - startedAt) / 1000,
    firstNodeAfter: Math.min(...doneAfter),
    lastNodeAfter: Math.max(...doneAfter),
    warmState: leader?.state,
    pulledByDigest: figures.filter(({ pulled }) => pulled.endsWith(image.child.manifestDigest)).length,
    failedPulls: sumRequests(failed),
    complaints: leader?.complaints ?? [],
  };
}

function toConfiguration(url: string, reference: string, method: WarmMethod): string {
  const { host, protocol } = new URL(url);
  return JSON.stringify({
    registries: [{ host, harbor: true, ...(protocol === 'http:' ? { plainHTTP: true } : {}) }],
    imageSets: [{ name: 'cold', images: [reference] }],
    warm: { method },
  });
}

/** Everything from the upstream for every node, twice over, and what Harbor waits. */
function toLimitMs({ nodes, upstreamBytesPerSecond }: Load, { bytes }: ColdImage): number {
  return Math.ceil(600_000 + (2_000 * nodes * bytes) / upstreamBytesPerSecond);
}

async function quiet({ upstream }: Place): Promise<void> {
  const until = Date.now() + quietWithinMs;
  while (Date.now() < until && upstream.requests.some(({ endedAt }) => endedAt === undefined)) await wait(200);
}
