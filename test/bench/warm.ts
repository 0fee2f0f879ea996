/** One cold image behind a proxy-cache project, and all nodes want it at once: what upstream and Harbor are asked. See README.md, "Warm". */

import { type BenchResult, printTable, toVerdict, type Verdict } from './report.ts';
import { prepareReal, type RealHarbor, startDouble } from './warm/place.ts';
import { toRequests } from './warm/upstream-figures.ts';
import { type Load, runVariant, type Variant, type VariantResult } from './warm/variants.ts';

export interface WarmSettings {
  readonly quick: boolean;
  /** Default 200, or 20 in a quick run. */
  readonly nodes: number | undefined;
  /** Default 48, or 8 in a quick run. */
  readonly imageMib: number | undefined;
  /** Names; undefined: all of them, on a real Harbor the first three. */
  readonly variants: readonly string[] | undefined;
  /** Undefined: the double. */
  readonly harbor: RealHarbor | undefined;
}

const upstreamBytesPerSecond = 50e6;
const goals = { upstreamBytes: 1.2, requestsAfter: 0 } as const;
/** Harbor's own fetch begins after ten looks: 200 s in reality, 20 s here. */
const shortPeriodMs = 2_000;

const alone: Variant = { name: 'no coordinator', method: undefined };
const abort: Variant = { name: 'abort', method: 'abort' };
const manifest: Variant = { name: 'manifest', method: 'manifest' };
const allVariants: readonly Variant[] = [
  alone,
  abort,
  manifest,
  { name: 'abort, nodes by tag', method: 'abort', byTag: true },
  { name: 'abort, gateway swallows', method: 'abort', swallowsAborts: true },
  { name: 'manifest, gateway swallows', method: 'manifest', swallowsAborts: true },
];

export async function runWarm({ quick, nodes, imageMib, variants, harbor }: WarmSettings): Promise<BenchResult> {
  const load: Load = {
    nodes: nodes ?? (quick ? 20 : 200),
    imageMib: imageMib ?? (quick ? 8 : 48),
    upstreamBytesPerSecond,
  };
  const results: VariantResult[] = [];
  const wanted = chooseVariants(variants, harbor !== undefined);
  for (const variant of wanted) {
    console.log(`warm: ${variant.name}, ${load.nodes} nodes, ${load.imageMib} MiB`);
    const isShort = quick || variant.method === 'manifest';
    const place =
      harbor === undefined ? await startDouble(isShort ? shortPeriodMs : undefined) : await prepareReal(harbor);
    try {
      const result = await runVariant(variant, place, load);
      results.push(result);
      const { upstream, lastNodeAfter } = result;
      console.log(
        `  upstream ${upstream.timesTheImage.toFixed(2)} times the image, last node after ${lastNodeAfter.toFixed(0)} s`,
      );
    } finally {
      await place.remove();
    }
  }
  printUpstream(results);
  printHarbor(results);
  for (const { name, failedPulls, complaints } of results) {
    if (Object.keys(failedPulls).length > 0) console.log(`${name}, pulls that failed:`, failedPulls);
    if (complaints.length > 0) console.log(`${name}, warnings:`, complaints);
  }
  return {
    bench: harbor === undefined ? 'warm' : 'warm-harbor',
    settings: { quick, ...load },
    verdicts: results.flatMap(toVerdicts),
    figures: { variants: results, byNoCoordinator: results.map((result) => toRatios(result, results[0])) },
  };
}

/** @throws RangeError for a name that there is not */
function chooseVariants(names: readonly string[] | undefined, isReal: boolean): readonly Variant[] {
  if (names === undefined) return isReal ? [alone, abort, manifest] : allVariants;
  return names.map((wanted) => {
    const variant = allVariants.find(({ name }) => name === wanted);
    if (variant !== undefined) return variant;
    throw new RangeError(`no such variant: ${wanted}; there are ${allVariants.map(({ name }) => name).join('; ')}`);
  });
}

function toVerdicts({ name, upstream, upstreamAfter }: VariantResult): Verdict[] {
  if (upstreamAfter === undefined) return [];
  return [
    toVerdict(`warm: ${name}: upstream bytes by the image`, upstream.timesTheImage, goals.upstreamBytes),
    toVerdict(`warm: ${name}: upstream requests after the release`, toRequests(upstreamAfter), goals.requestsAfter),
  ];
}

interface Ratios {
  readonly name: string;
  readonly upstreamBytes: number;
  readonly upstreamRequests: number;
  readonly harborRequests: number;
  readonly lastNode: number;
}

/** By the first variant of the same run. */
function toRatios({ name, upstream, harbor, lastNodeAfter }: VariantResult, base: VariantResult | undefined): Ratios {
  return {
    name,
    upstreamBytes: upstream.bytes / (base?.upstream.bytes ?? Number.NaN),
    upstreamRequests: toRequests(upstream) / toRequests(base?.upstream ?? upstream),
    harborRequests: harbor.all / (base?.harbor.all ?? Number.NaN),
    lastNode: lastNodeAfter / (base?.lastNodeAfter ?? Number.NaN),
  };
}

function printUpstream(results: readonly VariantResult[]): void {
  printTable(
    'What the upstream was asked',
    [
      'variant',
      'HEADs',
      'manifests',
      'blob GETs (to the end)',
      'times the image',
      'requests after the release',
      'bytes by the first',
    ],
    results.map((result) => {
      const { name, upstream, upstreamAfter } = result;
      return [
        name,
        String(upstream.heads),
        String(upstream.manifests),
        `${upstream.blobs} (${upstream.completeBlobs})`,
        upstream.timesTheImage.toFixed(2),
        upstreamAfter === undefined ? '-' : String(toRequests(upstreamAfter)),
        toRatios(result, results[0]).upstreamBytes.toFixed(4),
      ];
    }),
  );
}

function printHarbor(results: readonly VariantResult[]): void {
  const seconds = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(1));
  printTable(
    'What Harbor was asked, and when nodes had the image (s)',
    [
      'variant',
      'requests',
      'per node',
      'before the release',
      "coordinator's",
      'state',
      'released',
      'first node',
      'last node',
    ],
    results.map(({ name, harbor, warmState, releasedAfter, firstNodeAfter, lastNodeAfter }) => [
      name,
      harbor.seen === undefined ? String(harbor.all) : `${harbor.all} (Harbor: ${harbor.seen})`,
      harbor.perNode.toFixed(1),
      harbor.perNodeBefore.toFixed(1),
      String(harbor.leader),
      warmState ?? '-',
      seconds(releasedAfter),
      seconds(firstNodeAfter),
      seconds(lastNodeAfter),
    ]),
  );
}
