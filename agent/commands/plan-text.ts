import Table from 'cli-table3';
import type { PlanDocument } from '../core/plan-document.ts';
import { toReadableSize } from './sizes.ts';

const header = ['IMAGE', 'SETS', 'STATE', 'WHY', 'SIZE'] as const;
const gap = 2;
/** Below this an image's name is no longer readable; then the terminal wraps the line itself. */
const narrowestColumn = 24;

/**
 * The plan for people. Sizes are what is to be downloaded, and of present images what the runtime says.
 * @param columns The terminal's width; undefined when it is not for a terminal: then every image has exactly one line.
 */
export function toPlanText(document: PlanDocument, columns: number | undefined): string {
  const { pulls, waiting, present, refused, imageSets } = document;
  const rows = [
    ...pulls.map((pull) => row(pull, pull.state, pull.reason, pull.downloadBytes)),
    ...waiting.map((wait) => row(wait, 'waiting', wait.reason, undefined)),
    ...refused.map((refusal) => row(refusal, 'refused', refusal.code, undefined)),
    ...present.map((image) => row(image, 'present', '', image.sizeBytes)),
  ];
  const sections = [
    toHeadline(document),
    rows.length === 0 ? 'No image set asks this node for an image.' : toTable(rows, columns),
    toSection('Waiting', waiting, (wait) => [
      wait.reference,
      `${wait.reason}${wait.until === undefined ? '' : ` until ${wait.until}`}: ${wait.message}`,
    ]),
    toSection('Refused', refused, ({ reference, code, detail, message }) => [
      reference,
      `${code}, ${detail}: ${message}`,
    ]),
    toSection(
      'Not selected',
      imageSets.filter(({ selected }) => !selected),
      ({ name, message = '' }) => [name, message],
    ),
    toSummary(document),
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

function toHeadline({ node, runtime, prefetch }: PlanDocument): string {
  const parts = [`Node ${node.name}`, runtime === undefined ? 'no runtime' : `${runtime.name} ${runtime.version}`];
  if (!prefetch.enabled) parts.push('prefetch is off');
  if (prefetch.dryRun) parts.push('dry run');
  return parts.join(', ');
}

function toTable(rows: readonly string[][], columns: number | undefined): string {
  const table = new Table({
    head: [...header],
    chars: noBorders,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': gap },
    ...(columns === undefined
      ? {}
      : { colWidths: fitColumns(rows, columns), wordWrap: true, wrapOnWordBoundary: false }),
    colAligns: ['left', 'left', 'left', 'left', 'right'],
  });
  table.push(...rows);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const noBorders = Object.fromEntries(
  ['top', 'bottom', 'left', 'right']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('mid', 'mid-mid', 'middle')
    .map((name) => [name, '']),
);

/** Names and sets give way, the longer one first; the short columns keep their width. */
function fitColumns(rows: readonly string[][], columns: number): number[] {
  const widths = header.map((title, index) => {
    return Math.max(title.length, ...rows.map((cells) => cells[index]?.length ?? 0)) + gap;
  });
  let excess = widths.reduce((sum, width) => sum + width, 0) - columns;
  while (excess > 0) {
    const [image = 0, sets = 0] = widths;
    const widest = image >= sets ? 0 : 1;
    if (Math.max(image, sets) <= narrowestColumn) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
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
