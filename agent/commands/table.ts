import Table from 'cli-table3';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** The column gives way on a narrow terminal, down to this width; without, it keeps its width. */
  readonly narrowest?: number;
}

const gap = 2;

/**
 * A table without lines between its cells.
 * @param width The terminal's; undefined when it is not for a terminal: then every row has exactly one line. Where all columns are as narrow
 * as they may be and it is still too wide, the terminal wraps the lines itself.
 */
export function toTable(columns: readonly Column[], rows: readonly string[][], width: number | undefined): string {
  const table = new Table({
    head: columns.map(({ title }) => title),
    chars: noBorders,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': gap },
    ...(width === undefined
      ? {}
      : { colWidths: fitColumns(columns, rows, width), wordWrap: true, wrapOnWordBoundary: false }),
    colAligns: columns.map(({ align }) => align ?? 'left'),
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

/** The widest of those that give way goes first. */
function fitColumns(columns: readonly Column[], rows: readonly string[][], width: number): number[] {
  const fitted = columns.map(({ title, narrowest }, index) => ({
    width: rows.reduce((widest, cells) => Math.max(widest, cells[index]?.length ?? 0), title.length) + gap,
    narrowest: narrowest ?? Number.POSITIVE_INFINITY,
  }));
  let excess = fitted.reduce((sum, column) => sum + column.width, 0) - width;
  while (excess > 0) {
    const givingWay = fitted.filter((column) => column.width > column.narrowest);
    const widest = givingWay.sort((a, b) => b.width - a.width)[0];
    if (widest === undefined) break;
    widest.width -= 1;
    excess -= 1;
  }
  return fitted.map((column) => column.width);
}
