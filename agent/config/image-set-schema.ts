/** The options of an image set. */

import * as z from 'zod';
import type { CredentialSource, ImageSet } from '../core/configuration.ts';
import type { LabelRequirement } from '../core/label-selector.ts';
import { patternKey, type RepositoryPattern } from '../core/repository-pattern.ts';
import * as field from './fields.ts';
import { imageEntry } from './image-entry-schema.ts';

const secondMs = 1000;
const dayMs = 86_400_000;

const defaultRefreshEveryMs = 1_800_000;

export const credential = z.union([
  field.absolutePath.transform((file): CredentialSource => ({ kind: 'dockerconfig', file })),
  z
    .strictObject({ host: field.registryHost, usernameFile: field.absolutePath, passwordFile: field.absolutePath })
    .transform((value): CredentialSource => ({ kind: 'files', ...value })),
]);

const requirement = z
  .strictObject({
    key: field.selectorKey,
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: z.array(field.labelValue).optional(),
  })
  .superRefine((value, context) => {
    const count = Array.isArray(value?.values) ? value.values.length : 0;
    const takesValues = value?.operator === 'In' || value?.operator === 'NotIn';
    if (takesValues && count === 0 && (value.values === undefined || Array.isArray(value.values))) {
      context.addIssue({ code: 'custom', path: ['values'], message: `${value.operator} needs at least one value` });
    }
    if ((value?.operator === 'Exists' || value?.operator === 'DoesNotExist') && count > 0) {
      context.addIssue({ code: 'custom', path: ['values'], message: `${value.operator} takes no values` });
    }
  }, field.always)
  .transform(
    ({ key, operator, values }): LabelRequirement =>
      operator === 'In' || operator === 'NotIn' ? { key, operator, values: values ?? [] } : { key, operator },
  );

const nodeSelector = z.strictObject({
  matchLabels: z.record(field.selectorKey, field.labelValue).default({}),
  matchExpressions: z.array(requirement).default([]),
});

const window = z
  .strictObject({
    cron: field.cronLine,
    duration: field.duration(60 * secondMs, 366 * dayMs),
    timeZone: field.timeZone.optional(),
  })
  .transform(({ cron, duration, timeZone }) => ({ ...cron, durationMs: duration, timeZone }));

/** The image sets of a configuration; `credentials` is what one of them may say of its own. */
export function imageSetList(credentials: z.ZodType<readonly CredentialSource[]>) {
  return z.array(imageSet(credentials)).superRefine(unique('name'), field.always).default([]);
}

function imageSet(credentials: z.ZodType<readonly CredentialSource[]>) {
  return z
    .strictObject({
      name: field.imageSetName,
      nodeSelector: nodeSelector.default({ matchLabels: {}, matchExpressions: [] }),
      images: z.array(imageEntry),
      credentials,
      priority: field.wholeNumber().default(0),
      gate: z.boolean().default(false),
      pullPolicy: z.enum(['IfNotPresent', 'Always']).default('IfNotPresent'),
      refreshEvery: field.duration(10 * secondMs, 366 * dayMs).optional(),
      window: window.optional(),
    })
    .superRefine((value, context) => {
      if (value?.refreshEvery === undefined || value.pullPolicy === 'Always') return;
      context.addIssue({
        code: 'custom',
        path: ['refreshEvery'],
        message: 'has an effect only with pullPolicy: Always',
      });
    }, field.always)
    .transform(
      ({ refreshEvery, window, images, ...value }): ImageSet => ({
        ...value,
        images: [...new Set(images.flatMap((entry) => (entry.kind === 'image' ? [entry.reference] : [])))],
        patterns: withoutDoubles(images.flatMap((entry) => (entry.kind === 'pattern' ? [entry.pattern] : []))),
        refreshEveryMs: refreshEvery ?? defaultRefreshEveryMs,
        window,
      }),
    );
}

function withoutDoubles(patterns: readonly RepositoryPattern[]): readonly RepositoryPattern[] {
  return [...new Map(patterns.map((pattern) => [patternKey(pattern), pattern])).values()];
}

/** Reports every entry whose `key` an earlier entry has already. */
export function unique(key: string) {
  return (entries: unknown, context: z.RefinementCtx): void => {
    if (!Array.isArray(entries)) return;
    const first = new Map<string, number>();
    for (const [index, entry] of entries.entries()) {
      const value: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, key) : undefined;
      if (typeof value !== 'string') continue;
      const earlier = first.get(value);
      if (earlier === undefined) first.set(value, index);
      else context.addIssue({ code: 'custom', path: [index, key], message: `entry ${earlier} has the same ${key}` });
    }
  };
}
