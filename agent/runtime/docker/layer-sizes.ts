/**
 * How an image's size spreads over its layers. dockerd tells the size of an image and, in its history, that of each step of its build, but
 * not which steps made a layer.
 */

export interface HistoryEntry {
  readonly bytes: number;
  /** The step, as the builder wrote it: `/bin/sh -c #(nop) ENV A=1` or `RUN /bin/sh -c make # buildkit`. */
  readonly createdBy: string;
  /** Whether the step made a layer, where that is known. */
  readonly madeLayer: boolean | undefined;
}

export interface LayerStack {
  readonly id: string;
  /** Base first. */
  readonly chainIds: readonly string[];
  /** Oldest first; empty where it is unknown. */
  readonly history: readonly HistoryEntry[];
  /** Of the whole image. */
  readonly totalBytes: number;
}

/**
 * Bytes of every layer by image id, base first; the sum is always the image's size. Where the history cannot be read, layers that another
 * image has too are as large as there, and the topmost of the others takes the rest.
 */
export function planLayerSizes(stacks: readonly LayerStack[]): ReadonlyMap<string, readonly number[]> {
  const sizes = new Map<string, readonly number[]>();
  const known = new Map<string, number>();
  const unclear: LayerStack[] = [];
  for (const stack of stacks) {
    const aligned = alignHistory(stack.history, stack.chainIds.length);
    if (aligned === undefined) {
      unclear.push(stack);
      continue;
    }
    const bytes = scale(aligned, stack.totalBytes);
    sizes.set(stack.id, bytes);
    for (const [index, chainId] of stack.chainIds.entries()) known.set(chainId, bytes[index] ?? 0);
  }
  for (const stack of unclear) sizes.set(stack.id, fillUp(stack, known));
  return sizes;
}

/** Whether sizes and what is known leave no choice of the steps that made the layers. */
export function isClear(history: readonly HistoryEntry[], layers: number): boolean {
  const sure = history.filter(({ bytes, madeLayer }) => bytes > 0 || madeLayer === true).length;
  const possible = history.filter(({ madeLayer }) => madeLayer !== false).length;
  return sure === layers || possible === layers;
}

/** One size for each layer; undefined when the history does not fit. Of the steps that wrote no byte, the likeliest made the layers. */
function alignHistory(history: readonly HistoryEntry[], layers: number): number[] | undefined {
  const steps = history.map((entry, index) => ({ ...entry, index }));
  const filled = steps.filter(({ bytes }) => bytes > 0);
  if (filled.length > layers || history.length < layers) return undefined;
  const empty = steps
    .filter(({ bytes }) => bytes === 0)
    .toSorted((a, b) => unlikelihood(a) - unlikelihood(b))
    .slice(0, layers - filled.length);
  return [...filled, ...empty].toSorted((a, b) => a.index - b.index).map(({ bytes }) => bytes);
}

const metadata =
  /^(?:.*#\(nop\)\s+)?(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b/;
/** With the classic builder these make a layer only where they change a file or folder; with BuildKit always. */
const perhaps = /^(?:\/bin\/sh -c #\(nop\)\s+WORKDIR\b|\/bin\/sh -c (?!#\(nop\)))/;

function unlikelihood({ createdBy, madeLayer }: HistoryEntry): number {
  if (madeLayer !== undefined) return madeLayer ? 0 : 4;
  if (metadata.test(createdBy)) return 3;
  return perhaps.test(createdBy) ? 2 : 1;
}

/**
 * With the graph drivers the steps add up to the image's size already. The containerd image store counts the compressed layers in the
 * image's size and not in its history.
 */
function scale(sizes: readonly number[], totalBytes: number): readonly number[] {
  const sum = sizes.reduce((total, bytes) => total + bytes, 0);
  if (sum === totalBytes) return sizes;
  const scaled = sizes.map((bytes) => (sum === 0 ? 0 : Math.floor((bytes * totalBytes) / sum)));
  return withRest(scaled, scaled.length - 1, totalBytes);
}

function fillUp({ chainIds, totalBytes }: LayerStack, known: ReadonlyMap<string, number>): readonly number[] {
  const sizes = chainIds.map((chainId) => known.get(chainId) ?? 0);
  const sum = sizes.reduce((total, bytes) => total + bytes, 0);
  if (sum > totalBytes) return scale(sizes, totalBytes);
  const top = chainIds.findLastIndex((chainId) => !known.has(chainId));
  return top < 0 ? scale(sizes, totalBytes) : withRest(sizes, top, totalBytes);
}

/** What is missing of the total goes to one layer. */
function withRest(sizes: readonly number[], index: number, totalBytes: number): readonly number[] {
  const rest = totalBytes - sizes.reduce((total, bytes) => total + bytes, 0);
  return sizes.map((bytes, at) => (at === index ? bytes + rest : bytes));
}
