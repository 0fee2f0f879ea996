/** An entry of an image set: an image, or repositories of a Harbor by pattern. */

import * as z from 'zod';
import { type RepositoryPattern, severities, type TagRule } from '../core/repository-pattern.ts';
import * as field from './fields.ts';
import { expression, harborLabel, publicKey, repositoryGlobs, tagGlob, versionRange } from './pattern-fields.ts';

export type ImageEntry =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'pattern'; readonly pattern: RepositoryPattern };

/** As many as one pattern may bring. */
const maxNewest = 200;

const newestBy = { pushTime: 'push_time', version: 'version' } as const;

const tags = z
  .strictObject({
    match: tagGlob.optional(),
    regex: expression.optional(),
    semver: versionRange.optional(),
    newest: field.wholeNumber(1, maxNewest).optional(),
    newestBy: z.enum(['pushTime', 'version']).optional(),
  })
  .superRefine((value, context) => {
    if (value?.newestBy !== undefined && value.newest === undefined) {
      context.addIssue({ code: 'custom', path: ['newestBy'], message: 'has an effect only with newest' });
    }
  }, field.always)
  .transform(
    (value): TagRule => ({
      match: value.match,
      regex: value.regex,
      semver: value.semver,
      newest: value.newest,
      newestBy: newestBy[value.newestBy ?? 'pushTime'],
    }),
  );

const entry = z.strictObject({
  image: field.reference.optional(),
  repository: repositoryGlobs.optional(),
  tags: tags.optional(),
  labels: z.array(harborLabel).optional(),
  maxSeverity: z.enum(severities).optional(),
  unscanned: z.enum(['refuse', 'allow']).optional(),
  signed: z.literal([true, false, 'cosign', 'notation']).optional(),
  signedBy: z.array(publicKey).min(1, { error: 'must name a key: without any, every signature would do' }).optional(),
});

/** Keys that say which images of the repositories, and nothing of a single one. */
const ofRepository = ['tags', 'labels', 'maxSeverity', 'unscanned', 'signed', 'signedBy'] as const;

const noTagRule: TagRule = {
  match: undefined,
  regex: undefined,
  semver: undefined,
  newest: undefined,
  newestBy: 'push_time',
};

const entryMap = entry
  .superRefine((value, context) => {
    const add = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    // Without the map itself there is nothing to compare.
    if (typeof value !== 'object' || value === null) return;
    if (value.image === undefined && value.repository === undefined) {
      add(['image'], 'is required, unless the entry has repository');
    }
    if (value.image !== undefined && value.repository !== undefined) {
      add(['repository'], 'an entry has either image or repository');
    }
    for (const key of ofRepository) {
      if (value.repository === undefined && value[key] !== undefined) add([key], 'has an effect only with repository');
    }
    if (value.unscanned !== undefined && value.maxSeverity === undefined) {
      add(['unscanned'], 'has an effect only with maxSeverity');
    }
    if (value.signedBy !== undefined && (value.signed === 'notation' || value.signed === false)) {
      add(['signed'], 'signedBy asks for cosign signatures: leave signed out, or write cosign');
    }
  }, field.always)
  .transform((value): ImageEntry => {
    const { image, repository, tags, labels, maxSeverity, unscanned, signedBy } = value;
    if (repository === undefined) return { kind: 'image', reference: image ?? '' };
    return {
      kind: 'pattern',
      pattern: {
        ...repository,
        tags: tags ?? noTagRule,
        labels: [...new Set(labels)],
        maxSeverity,
        unscanned: unscanned ?? 'refuse',
        signed: signedBy === undefined ? toKind(value.signed) : 'cosign',
        signedBy: [...new Set(signedBy)],
      },
    };
  });

export const imageEntry = z.union([
  field.reference.transform((reference): ImageEntry => ({ kind: 'image', reference })),
  entryMap,
]);

function toKind(signed: boolean | 'cosign' | 'notation' | undefined): RepositoryPattern['signed'] {
  if (signed === true) return 'any';
  return signed === false ? undefined : signed;
}
