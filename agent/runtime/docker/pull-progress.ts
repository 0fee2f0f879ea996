import type { ExpectedBlob, PullProgress } from '../runtime.ts';

/** What a pull's stream has said so far of its layers. */
export interface LayerProgress {
  /** Takes one line of the stream; lines that tell nothing of a layer change nothing. */
  apply(line: unknown): void;
  /** The image is whole: everything counts as here. */
  finish(): void;
  now(): PullProgress;
}

interface Layer {
  currentBytes: number;
  /** Undefined until the manifest or the stream says it. */
  readonly totalBytes: number | undefined;
}

/** dockerd shortens a blob's digest to this many hex digits. */
const shortIdLength = 12;

const pending: ReadonlySet<unknown> = new Set(['Pulling fs layer', 'Waiting']);
/** Whatever comes after a layer's last byte. */
const complete: ReadonlySet<unknown> = new Set([
  'Already exists',
  'Verifying Checksum',
  'Download complete',
  'Extracting',
  'Pull complete',
]);

/**
 * Adds up the bytes of an image's layers from the lines of dockerd's pull stream. With `expected` the total is known from the start
 * and layers that are there already count with their size; without, the total is unknown until every layer has begun, and
 * a layer that was there already counts as nothing.
 */
export function createLayerProgress(expected: readonly ExpectedBlob[] | undefined): LayerProgress {
  const layers = new Map<string, Layer>();
  for (const { digest, sizeBytes } of expected ?? []) {
    layers.set(toShortId(digest), { currentBytes: 0, totalBytes: sizeBytes });
  }

  return {
    apply(line) {
      const { id, status, progressDetail } = line as PullLine;
      if (typeof id !== 'string') return;
      const layer = layers.get(id);
      if (complete.has(status)) {
        // Extracting counts the same compressed bytes a second time: what matters is that all of them are here.
        const totalBytes = layer?.totalBytes ?? layer?.currentBytes ?? 0;
        layers.set(id, { currentBytes: totalBytes, totalBytes });
      } else if (status === 'Downloading') {
        const totalBytes = layer?.totalBytes ?? progressDetail?.total;
        const currentBytes = progressDetail?.current ?? layer?.currentBytes ?? 0;
        layers.set(id, { currentBytes: Math.min(currentBytes, totalBytes ?? currentBytes), totalBytes });
      } else if (pending.has(status) && layer === undefined) {
        layers.set(id, { currentBytes: 0, totalBytes: undefined });
      }
    },
    finish() {
      for (const [id, { currentBytes, totalBytes }] of layers) {
        layers.set(id, { currentBytes: totalBytes ?? currentBytes, totalBytes: totalBytes ?? currentBytes });
      }
    },
    now() {
      const known = [...layers.values()];
      const totals = known.map(({ totalBytes }) => totalBytes);
      return {
        downloadedBytes: known.reduce((sum, { currentBytes }) => sum + currentBytes, 0),
        totalBytes:
          known.length === 0 || totals.includes(undefined)
            ? undefined
            : totals.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0),
      };
    },
  };
}

function toShortId(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, shortIdLength);
}

interface PullLine {
  /** A short blob digest; on the first line the tag. */
  readonly id?: unknown;
  readonly status?: unknown;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}
