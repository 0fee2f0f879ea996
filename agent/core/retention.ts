/**
 * Which tags Harbor's tag retention would delete, as its source (2.15, pkg/retention) decides it: the rules whose repository selectors match are
 * joined by or; an artifact lives while one of them retains it; a repository that no rule names is left alone. Pure.
 */

import picomatch from 'picomatch';

export interface RetentionSelector {
  /** `repoMatches`, `repoExcludes`; `matches`, `excludes`. */
  readonly decoration: string;
  /** Doublestar; empty: everything. */
  readonly pattern: string;
}

export interface RetentionRule {
  readonly template: string;
  readonly parameters: Readonly<Record<string, number>>;
  readonly repositories: readonly RetentionSelector[];
  readonly tags: readonly RetentionSelector[];
  readonly disabled: boolean;
}

export interface RetainableArtifact {
  /** Without the project. */
  readonly repository: string;
  readonly digest: string;
  /** Epoch ms. */
  readonly pushedAt: number;
  /** Undefined: never. */
  readonly pulledAt: number | undefined;
  readonly tags: readonly { readonly name: string; readonly pushedAt: number; readonly pulledAt: number | undefined }[];
}

export interface TagAtRisk {
  readonly repository: string;
  /** Undefined: it has none. */
  readonly tag: string | undefined;
  readonly digest: string;
  /** How long a rule still retains it, ms; 0: the next run deletes it. */
  readonly leftMs: number;
  /** Of the rule that retains it longest, or could again; undefined: that one goes by number, not by time. */
  readonly periodDays: number | undefined;
  /** One GET of its manifest starts the period again. */
  readonly isRenewedByPull: boolean;
  /** The rule, in words. */
  readonly rule: string;
}

export interface RetentionOutlook {
  /** By repository and tag. */
  readonly atRisk: readonly TagAtRisk[];
  /** Rules that a newer Harbor may have: what they match is held to be safe. */
  readonly unknownTemplates: readonly string[];
}

const dayMs = 86_400_000;

/** The rule's count or days where Harbor's own record has none that can be read. */
const defaultDays = 30;
const defaultCount = 10;

type Times = { readonly pushedAt: number; readonly pulledAt: number };

interface Template {
  readonly words: (parameter: number) => string;
  /** By time: what the period runs from. By count: what the artifacts are ordered by, latest first. */
  readonly clock: (times: Times) => number;
  readonly by: 'days' | 'count' | 'always';
  readonly isRenewedByPull: boolean;
}

const always: Template = { words: () => 'always', clock: () => 0, by: 'always', isRenewedByPull: false };
const templates: ReadonlyMap<string, Template> = new Map<string, Template>([
  ['always', always],
  [
    'nDaysSinceLastPull',
    {
      words: (days) => `pulled within the last ${days} days`,
      clock: ({ pulledAt }) => pulledAt,
      by: 'days',
      isRenewedByPull: true,
    },
  ],
  [
    'nDaysSinceLastPush',
    {
      words: (days) => `pushed within the last ${days} days`,
      clock: ({ pushedAt }) => pushedAt,
      by: 'days',
      isRenewedByPull: false,
    },
  ],
  [
    'lastXDays',
    {
      words: (days) => `pushed within the last ${days} days`,
      clock: ({ pushedAt }) => pushedAt,
      by: 'days',
      isRenewedByPull: false,
    },
  ],
  [
    'latestPushedK',
    {
      words: (count) => `the ${count} last pushed`,
      clock: ({ pushedAt }) => pushedAt,
      by: 'count',
      isRenewedByPull: false,
    },
  ],
  [
    'latestPulledN',
    {
      words: (count) => `the ${count} last pulled`,
      clock: ({ pulledAt }) => pulledAt,
      by: 'count',
      isRenewedByPull: true,
    },
  ],
  [
    'latestActiveK',
    {
      words: (count) => `the ${count} last pushed or pulled`,
      clock: ({ pushedAt, pulledAt }) => Math.max(pushedAt, pulledAt),
      by: 'count',
      isRenewedByPull: true,
    },
  ],
]);

/** How one rule sees one artifact. */
interface Hold {
  readonly template: Template;
  readonly parameter: number;
  /** Infinity: as long as nothing is pushed or pulled; below or at 0: not any more. */
  readonly leftMs: number;
}

/**
 * The tags that fall under no rule now, or will within a third of the period of the rule that retains them longest. Rules by number retain what is
 * among the first now; that other images may overtake it cannot be foreseen.
 * @param artifacts of the project, of each repository all that Harbor lists. Untagged ones that are missing make `latest…` rules look roomier.
 */
export function findAtRisk(
  retention: { readonly rules: readonly RetentionRule[] },
  artifacts: readonly RetainableArtifact[],
  now: number,
): RetentionOutlook {
  const rules = retention.rules.filter(({ disabled }) => !disabled);
  const atRisk: TagAtRisk[] = [];
  for (const [repository, all] of Map.groupBy(artifacts, (artifact) => artifact.repository)) {
    const own = rules.filter((rule) => rule.repositories.every((one) => selects(one, [repository])));
    if (own.length === 0) continue;
    const holds = new Map<RetainableArtifact, Hold[]>(all.map((artifact) => [artifact, []]));
    for (const rule of own) addHolds(rule, all, holds, now);
    for (const artifact of all) atRisk.push(...toRisks(artifact, holds.get(artifact) ?? []));
  }
  const unknown = rules.map(({ template }) => template).filter((template) => !templates.has(template));
  return { atRisk: atRisk.toSorted(byName), unknownTemplates: [...new Set(unknown)].toSorted() };
}

/** When it goes: `by the next run`, `within a day`, `in 2 days`. */
export function toDeletionTime({ leftMs }: Pick<TagAtRisk, 'leftMs'>): string {
  if (leftMs <= 0) return 'by the next run';
  const days = Math.floor(leftMs / dayMs);
  return days === 0 ? 'within a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`;
}

function addHolds(
  rule: RetentionRule,
  all: readonly RetainableArtifact[],
  holds: ReadonlyMap<RetainableArtifact, Hold[]>,
  now: number,
): void {
  const template = templates.get(rule.template) ?? always;
  const parameter = parameterOf(rule, template);
  const selected = all.filter(({ tags }) =>
    rule.tags.every((one) =>
      selects(
        one,
        tags.map(({ name }) => name),
      ),
    ),
  );
  const latestFirst = selected.toSorted((a, b) => template.clock(toTimes(b)) - template.clock(toTimes(a)));
  for (const [rank, artifact] of latestFirst.entries()) {
    let leftMs = Infinity;
    if (template.by === 'days') leftMs = template.clock(toTimes(artifact)) + parameter * dayMs - now;
    else if (template.by === 'count' && rank >= parameter) leftMs = 0;
    holds.get(artifact)?.push({ template, parameter, leftMs });
  }
}

function toRisks({ repository, digest, tags }: RetainableArtifact, holds: readonly Hold[]): TagAtRisk[] {
  // The longest that retains it; where none does any more, one that a pull brings back.
  const best = holds.toSorted(
    (a, b) =>
      Math.max(0, b.leftMs) - Math.max(0, a.leftMs) ||
      Number(b.template.isRenewedByPull) - Number(a.template.isRenewedByPull) ||
      b.parameter - a.parameter,
  )[0];
  const leftMs = Math.max(0, best?.leftMs ?? 0);
  const periodDays = best?.template.by === 'days' ? best.parameter : undefined;
  if (leftMs > ((periodDays ?? 0) * dayMs) / 3) return [];
  const isRenewedByPull = best?.template.isRenewedByPull ?? false;
  const rule = best === undefined ? 'no rule names it' : best.template.words(best.parameter);
  const names = tags.length === 0 ? [undefined] : tags.map(({ name }) => name);
  return names.map((tag) => ({ repository, tag, digest, leftMs, periodDays, isRenewedByPull, rule }));
}

const compiled = new WeakMap<RetentionSelector, (name: string) => boolean>();

/** As Harbor has it: of an artifact with several tags one that matches is enough, and one that is not excluded. */
function selects(selector: RetentionSelector, names: readonly string[]): boolean {
  const { decoration, pattern } = selector;
  let matches = compiled.get(selector);
  if (matches === undefined) {
    matches = pattern === '' ? () => true : picomatch(pattern, { dot: true, nonegate: true, noextglob: true });
    compiled.set(selector, matches);
  }
  const isExcluding = decoration === 'excludes' || decoration === 'repoExcludes';
  // Untagged artifacts are kept in the selection by `matches` and, as the default, by `excludes` too.
  return names.length === 0 || names.some((name) => matches(name) !== isExcluding);
}

/** Harbor counts the latest time of the artifact and its tags; what was never pulled was so at the beginning of time. */
function toTimes({ pushedAt, pulledAt, tags }: RetainableArtifact): Times {
  return {
    pushedAt: Math.max(pushedAt, ...tags.map((tag) => tag.pushedAt)),
    pulledAt: Math.max(pulledAt ?? 0, ...tags.map((tag) => tag.pulledAt ?? 0)),
  };
}

function parameterOf({ template, parameters }: RetentionRule, { by }: Template): number {
  const value = parameters[template];
  if (value !== undefined && Number.isSafeInteger(value) && value >= 0) return value;
  return by === 'days' ? defaultDays : defaultCount;
}

function byName(a: TagAtRisk, b: TagAtRisk): number {
  const [one, other] = [a, b].map(({ repository, tag, digest }) => `${repository}:${tag ?? digest}`);
  return one === other ? 0 : (one ?? '') < (other ?? '') ? -1 : 1;
}
