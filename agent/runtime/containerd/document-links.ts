/**
 * What a blob refers to, told by the labels that keep containerd's garbage collector from what it needs (containerd 1.6 to 2.x,
 * "Garbage Collection"). Every pull sets them, so that a listing of labels saves reading each manifest and config. Pure.
 */

const referencePrefix = 'containerd.io/gc.ref.';
const configLabel = `${referencePrefix}content.config`;
const manifestPrefix = `${referencePrefix}content.m.`;
const snapshotPrefix = `${referencePrefix}snapshot.`;
const contentLabel = /^containerd\.io\/gc\.ref\.content(?:[./]|$)/;

export interface DocumentLinks {
  /** Of a manifest: the digest of its config. */
  readonly config?: string;
  /** Of an index: the digests of its manifests, for every platform, also of those that are not here. */
  readonly manifests?: readonly string[];
  /** Of a config: the chain id of the whole stack, once it was unpacked. */
  readonly topChainId?: string;
}

/** Filters of Content.List for every blob that has links; a pull numbers an index's manifests from 0. */
export function toLinkFilters(snapshotter: string): readonly string[] {
  return [configLabel, `${manifestPrefix}0`, snapshotPrefix + snapshotter].map((label) => `labels.${quote(label)}`);
}

export function toDocumentLinks(labels: Readonly<Record<string, string>>, snapshotter: string): DocumentLinks {
  const config = labels[configLabel];
  if (config !== undefined) return { config };
  const topChainId = labels[snapshotPrefix + snapshotter];
  if (topChainId !== undefined) return { topChainId };
  return {
    manifests: Object.keys(labels).flatMap((key) => (key.startsWith(manifestPrefix) ? [labels[key] ?? ''] : [])),
  };
}

/** Every blob that this one keeps from the collector: values of `containerd.io/gc.ref.content`, also with `.` or `/` and more behind. */
export function toContentReferences(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels)
    .filter(([key]) => contentLabel.test(key))
    .map(([, digest]) => digest);
}

/** Likewise the snapshots of this snapshotter: `containerd.io/gc.ref.snapshot.<snapshotter>`, also with `/` and more behind. */
export function toSnapshotReferences(labels: Readonly<Record<string, string>>, snapshotter: string): string[] {
  const label = snapshotPrefix + snapshotter;
  return Object.entries(labels)
    .filter(([key]) => key === label || key.startsWith(`${label}/`))
    .map(([, name]) => name);
}

/** Likewise the snapshots of every snapshotter. */
export function toSnapshotLinks(labels: Readonly<Record<string, string>>): { snapshotter: string; key: string }[] {
  return Object.entries(labels).flatMap(([label, key]) => {
    if (!label.startsWith(snapshotPrefix)) return [];
    const [snapshotter = ''] = label.slice(snapshotPrefix.length).split('/');
    return [{ snapshotter, key }];
  });
}

function quote(text: string): string {
  return JSON.stringify(text);
}
