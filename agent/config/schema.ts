/**
 * Every option of the configuration, once: what may be written, its default and what becomes of it. The reference in README.md is
 * checked against it. Unknown keys are mistakes; a key exists only when it has an effect.
 */

import * as z from 'zod';
import {
  type Configuration,
  defaultGateDeadlineMs,
  type GateSettings,
  type RegistrySettings,
} from '../core/configuration.ts';
import * as field from './fields.ts';
import { coordinator, warm } from './harbor-schema.ts';
import { credential, imageSetList, unique } from './image-set-schema.ts';
import { prune } from './prune-schema.ts';

const secondMs = 1000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const defaultStallTimeoutMs = 300_000;

const registry = z
  .strictObject({
    host: field.registryHost,
    harbor: z.boolean().default(false),
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

const configuration = z.strictObject({
  registries: z.array(registry).superRefine(unique('host'), field.always).default([]),
  credentials: z.array(credential).default([]),
  imageSets: imageSetList(z.array(credential).default([])),
  prefetch: prefetch.prefault({}),
  gate: gate.prefault({}),
  coordinator: coordinator.prefault({}),
  warm: warm.prefault({}),
  prune: prune.prefault({}),
});

export const configurationSchema = configuration.transform((value): Configuration => value);

/** The keys at the top. */
export const sections: readonly string[] = Object.keys(configuration.shape);
