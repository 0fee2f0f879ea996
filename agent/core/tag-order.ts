/** Which of several tags are the newest. Pure. */

import type { TagRule } from './repository-pattern.ts';
import { compareTagVersions, toTagVersion } from './tag-rule.ts';

export interface OrderedTag {
  readonly tag: string;
  /** Epoch ms; undefined: not known, which counts as the oldest. */
  readonly pushedAt: number | undefined;
}

/** Compares for a sort that puts the newest first: by push time or version as the rule asks, then by the other, then by text. */
export function newestFirst({ newestBy }: Pick<TagRule, 'newestBy'>): (a: OrderedTag, b: OrderedTag) => number {
  const [first, second] = newestBy === 'version' ? [byVersion, byPush] : [byPush, byVersion];
  return (a, b) => first(a, b) || second(a, b) || (a.tag < b.tag ? 1 : a.tag > b.tag ? -1 : 0);
}

function byPush(a: OrderedTag, b: OrderedTag): number {
  if (a.pushedAt === undefined || b.pushedAt === undefined) {
    return Number(a.pushedAt === undefined) - Number(b.pushedAt === undefined);
  }
  return b.pushedAt - a.pushedAt;
}

function byVersion(a: OrderedTag, b: OrderedTag): number {
  const [one, other] = [toTagVersion(a.tag), toTagVersion(b.tag)];
  if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined);
  return compareTagVersions(other, one);
}
