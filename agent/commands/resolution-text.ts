/** What the plan says to people of how tags and repositories were resolved. */

import type { PlanDocument, PlanImageSet } from '../core/plan-document.ts';
import type { PlanPattern, PlanResolution } from '../core/plan-resolution.ts';

/** Of one pattern; the JSON has more of them. */
const maxExcluded = 5;

export function toResolvedText({ resolvedBy, resolvedAt }: PlanResolution): string {
  const who = resolvedBy === 'coordinator' ? 'resolved by the coordinator' : 'resolved by this node';
  return resolvedAt === undefined ? who : `${who} at ${resolvedAt}`;
}

/** Empty where no set names repositories. */
export function toPatternsText(imageSets: readonly PlanImageSet[]): string {
  const lines = imageSets.flatMap(({ name, selected, patterns = [] }) =>
    selected ? patterns.flatMap((pattern) => toPatternLines(name, pattern)) : [],
  );
  return lines.length === 0 ? '' : ['Repositories:', ...lines].join('\n');
}

/** Empty where none is known. */
export function toRisksText(resolution: PlanDocument['resolution']): string {
  const risks = resolution?.atRisk ?? [];
  if (risks.length === 0) return '';
  const lines = risks.flatMap(({ reference, message }) => [`  ${reference}`, `    ${message}`]);
  return ["At risk from Harbor's retention:", ...lines].join('\n');
}

function toPatternLines(imageSet: string, pattern: PlanPattern): string[] {
  const { repository, tags, resolved, images, excluded, excludedCount, kept = [], failure } = pattern;
  const rules = Object.entries(tags).map(([key, value]) => `${key} ${value}`);
  const found = resolved
    ? `${images.length} ${images.length === 1 ? 'image' : 'images'}, ${excludedCount} left out`
    : 'not resolved yet';
  const listed = excluded.slice(0, maxExcluded);
  const more = excludedCount - listed.length;
  return [
    `  ${repository}${rules.length === 0 ? '' : ` (${rules.join(', ')})`}, set ${imageSet}: ${found}`,
    ...(failure === undefined ? [] : [`    ${failure.code}: ${failure.message}`]),
    ...kept
      .slice(0, maxExcluded)
      .map(({ reference, reason, message }) => `    stays: ${reference}: ${reason}: ${message}`),
    ...listed.map(({ reference, reason, message }) => `    left out: ${reference}: ${reason}: ${message}`),
    ...(more > 0 && listed.length > 0 ? [`    and ${more} more`] : []),
  ];
}
