import type { PlanDocument } from '../core/plan-document.ts';
import { toPatternsText, toResolvedText, toRisksText } from './resolution-text.ts';
import { toPrunePlanText } from './prune-plan-text.ts';
import { toReadableSize } from '../core/readable-size.ts';
import { type Column, toTable } from './table.ts';

/** Below this an image's name is no longer readable. */
const narrowestName = 24;
const columns: readonly Column[] = [
  { title: 'IMAGE', narrowest: narrowestName },
  { title: 'SETS', narrowest: narrowestName },
  { title: 'STATE' },
  { title: 'WHY' },
  { title: 'SIZE', align: 'right' },
];

/**
 * The plan for people. Sizes are what is to be downloaded, and of present images what the runtime says.
 * @param width The terminal's; undefined when it is not for a terminal: then every image has exactly one line.
 */
export function toPlanText(document: PlanDocument, width: number | undefined): string {
  const { pulls, waiting, present, refused, imageSets, prefetch, prune, generatedAt } = document;
  const rows = [
    ...pulls.map((pull) => row(pull, pull.state, pull.reason, pull.downloadBytes)),
    ...waiting.map((wait) => row(wait, 'waiting', wait.reason, undefined)),
    ...refused.map((refusal) => row(refusal, 'refused', refusal.code, undefined)),
    ...present.map((image) => row(image, 'present', image.refusal === undefined ? '' : 'refused', image.sizeBytes)),
  ];
  const sections = [
    toHeadline(document),
    prefetch.hold === undefined ? '' : `Nothing is pulled now: ${prefetch.hold.message}`,
    rows.length === 0 ? 'No image set asks this node for an image.' : toTable(columns, rows, width),
    toSection('Waiting', waiting, (wait) => [
      wait.reference,
      `${wait.reason}${wait.until === undefined ? '' : ` until ${wait.until}`}: ${wait.message}`,
    ]),
    toSection('Refused', refused, ({ reference, code, detail, message }) => [
      reference,
      `${code}, ${detail}: ${message}`,
    ]),
    toSection(
      'Present, and refused by their registry',
      present.filter(({ refusal }) => refusal !== undefined),
      ({ reference, refusal }) => [reference, `${refusal?.code}: ${refusal?.message}`],
    ),
    toPatternsText(imageSets),
    toRisksText(document.resolution),
    toSection(
      'Not selected',
      imageSets.filter(({ selected }) => !selected),
      ({ name, message = '' }) => [name, message],
    ),
    toSummary(document),
    prune === undefined ? '' : toPrunePlanText(prune, Date.parse(generatedAt), width),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function row(
  image: { readonly reference: string; readonly imageSets: readonly string[] },
  state: string,
  why: string,
  bytes: number | undefined,
): string[] {
  return [image.reference, image.imageSets.join(', '), state, why, bytes === undefined ? '-' : toReadableSize(bytes)];
}

function toHeadline({ node, runtime, prefetch, resolution }: PlanDocument): string {
  const parts = [`Node ${node.name}`, runtime === undefined ? 'no runtime' : `${runtime.name} ${runtime.version}`];
  if (!prefetch.enabled) parts.push('prefetch is off');
  if (prefetch.dryRun) parts.push('dry run');
  if (resolution !== undefined) parts.push(toResolvedText(resolution));
  return parts.join(', ');
}

function toSection<T>(title: string, entries: readonly T[], toLines: (entry: T) => readonly [string, string]): string {
  if (entries.length === 0) return '';
  const lines = entries.flatMap((entry) => {
    const [name, why] = toLines(entry);
    return [`  ${name}`, `    ${why}`];
  });
  return [`${title}:`, ...lines].join('\n');
}

function toSummary({ totals }: PlanDocument): string {
  const { desired, pulls, waiting, refused, present, downloadBytes, unknownSizes } = totals;
  const size = unknownSizes < pulls ? ` (${toReadableSize(downloadBytes)} to download)` : '';
  const unknown = unknownSizes > 0 && unknownSizes < pulls ? `, ${unknownSizes} of unknown size` : '';
  const counts = `${pulls} to pull${size}${unknown}, ${waiting} waiting, ${refused} refused, ${present} present`;
  return `${desired} ${desired === 1 ? 'image' : 'images'}: ${counts}`;
}
