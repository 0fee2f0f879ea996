/**
 * Every option of the configuration, once: what may be written, its default and what becomes of it. The reference in README.md is
 * checked against it. Unknown keys are mistakes; a key exists only when it has an effect.
 */

import * as z from 'zod';
import {
  type Configuration,
  type CredentialSource,
  defaultGateDeadlineMs,
  type GateSettings,
  type ImageSet,
  type RegistrySettings,
} from '../core/configuration.ts';
import type { LabelRequirement } from '../core/label-selector.ts';
import * as field from './fields.ts';
import { prune } from './prune-schema.ts';

const secondMs = 1000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const defaultStallTimeoutMs = 300_000;
const defaultRefreshEveryMs = 1_800_000;

const registry = z
  .strictObject({
    host: field.registryHost,
    plainHTTP: z.boolean().default(false),
    caFile: field.absolutePath.optional(),
    insecureSkipVerify: z.boolean().default(false),
    tokenHosts: z.array(field.anyHost).default([]),
  })
  .superRefine((value, context) => {
    if (value?.plainHTTP !== true) return;
    for (const key of ['caFile', 'insecureSkipVerify'] as const) {
      if (value[key] === undefined || value[key] === false) continue;
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'has no effect with plainHTTP: leave one of the two out',
      });
    }
  }, field.always)
  .transform((value): RegistrySettings => ({ ...value, caFile: value.caFile }));

const credential = z.union([
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

const image = z.union([field.reference, z.strictObject({ image: field.reference }).transform((value) => value.image)]);

const imageSet = z
  .strictObject({
    name: field.imageSetName,
    nodeSelector: nodeSelector.default({ matchLabels: {}, matchExpressions: [] }),
    images: z.array(image),
    credentials: z.array(credential).default([]),
    priority: field.wholeNumber().default(0),
    gate: z.boolean().default(false),
    pullPolicy: z.enum(['IfNotPresent', 'Always']).default('IfNotPresent'),
    refreshEvery: field.duration(10 * secondMs, 366 * dayMs).optional(),
    window: window.optional(),
  })
  .superRefine((value, context) => {
    if (value?.refreshEvery === undefined || value.pullPolicy === 'Always') return;
    context.addIssue({ code: 'custom', path: ['refreshEvery'], message: 'has an effect only with pullPolicy: Always' });
  }, field.always)
  .transform(
    ({ refreshEvery, window, images, ...value }): ImageSet => ({
      ...value,
      images: [...new Set(images)],
      refreshEveryMs: refreshEvery ?? defaultRefreshEveryMs,
      window,
    }),
  );

const prefetch = z
  .strictObject({
    enabled: z.boolean().default(true),
    dryRun: z.boolean().default(false),
    concurrency: field.wholeNumber(1, 16).optional(),
    stallTimeout: field.duration(secondMs, dayMs).default(defaultStallTimeoutMs),
    pullTimeout: field.duration(secondMs, 7 * dayMs).optional(),
    allow: z.array(field.allowGlob).optional(),
    maxImageSize: field.size.optional(),
    pinBudget: field.pinBudget.prefault('50%'),
    maxNodes: field.wholeNumber(1, 1000).optional(),
    spreadOver: field.duration(0, dayMs).prefault('0s'),
    pauseOnDrain: z.boolean().default(true),
  })
  .transform(({ stallTimeout, pullTimeout, maxImageSize, concurrency, allow, maxNodes, spreadOver, ...value }) => ({
    ...value,
    concurrency,
    allow,
    stallTimeoutMs: stallTimeout,
    pullTimeoutMs: pullTimeout,
    maxImageSizeBytes: maxImageSize,
    maxNodes,
    spreadOverMs: spreadOver,
  }));

const gate = z
  .strictObject({ deadline: field.duration(10 * secondMs, dayMs).default(defaultGateDeadlineMs) })
  .transform(({ deadline: deadlineMs }): GateSettings => ({ deadlineMs }));

export const configurationSchema = z
  .strictObject({
    registries: z.array(registry).superRefine(unique('host'), field.always).default([]),
    credentials: z.array(credential).default([]),
    imageSets: z.array(imageSet).superRefine(unique('name'), field.always).default([]),
    prefetch: prefetch.prefault({}),
    gate: gate.prefault({}),
    prune: prune.prefault({}),
  })
  .transform((value): Configuration => value);

/** Reports every entry whose `key` an earlier entry has already. */
function unique(key: string) {
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
