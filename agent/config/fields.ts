/** The kinds of value that options have: zod schemas from what a user writes to what the agent uses. */

import { isAbsolute } from 'node:path';
import * as z from 'zod';
import type { KeepRule, PinBudget } from '../core/configuration.ts';
import {
  formatReference,
  InvalidReferenceError,
  normaliseHost,
  parseReference,
  registryHostRule,
} from '../core/image-reference.ts';
import { imageSetNameRule, labelKeyRule, labelValueRule, ownLabelRule } from '../core/label-syntax.ts';
import { referenceGlobRule } from '../core/reference-glob.ts';
import { formatDuration, parseDuration, parsePercentage, parseSize } from '../core/units.ts';
import type { Watermark } from '../core/watermark.ts';
import { parseCron } from './cron.ts';

/** For refinements that also run where another part of the same value is wrong, so that all mistakes show together. */
export const always = { when: () => true } as const;

/** A text that must meet a rule; `rule` returns what it breaks. */
export function text(rule: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const broken = rule(value);
    if (broken !== undefined) context.addIssue(broken);
  });
}

const durationForm = 'must be a duration such as 90s, 30m, 10h, 7d or 1h30m';

/** Milliseconds, from `minMs` to `maxMs`. */
export function duration(minMs: number, maxMs: number) {
  return z.string({ error: durationForm }).transform((value, context) => {
    const durationMs = parseDuration(value);
    if (durationMs === undefined) context.addIssue(/^-\d/.test(value) ? 'must not be negative' : durationForm);
    else if (durationMs < minMs) context.addIssue(`must be at least ${formatDuration(minMs)}`);
    else if (durationMs > maxMs) context.addIssue(`must be at most ${formatDuration(maxMs)}`);
    else return durationMs;
    return z.NEVER;
  });
}

const sizeForm = 'must be a size above zero such as 60Gi (Ki to Ti), 60G (k to T) or a whole number of bytes';

/** Bytes. */
export const size = z.union([z.number(), z.string()], { error: sizeForm }).transform((value, context) => {
  const bytes = parseSize(String(value));
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue(sizeForm);
  return z.NEVER;
});

const watermarkForm = 'must be a used percentage such as 75% or free space such as 20Gi';

export const watermark = z.string({ error: watermarkForm }).transform((value, context): Watermark => {
  const ratio = parsePercentage(value);
  const bytes = parseSizeWithUnit(value);
  if (ratio !== undefined && ratio > 0 && ratio < 1) return { kind: 'used', ratio };
  if (bytes !== undefined && bytes > 0) return { kind: 'free', bytes };
  context.addIssue(/^\d+(\.\d+)?%$/.test(value) ? 'must be above 0% and below 100%' : watermarkForm);
  return z.NEVER;
});

const pinBudgetForm = 'must be a share such as 50% (0%: pin nothing) or a size such as 200Gi';

export const pinBudget = z.string({ error: pinBudgetForm }).transform((value, context): PinBudget => {
  const ratio = parsePercentage(value);
  const bytes = parseSizeWithUnit(value);
  if (ratio !== undefined) return { kind: 'share', ratio };
  if (bytes !== undefined) return { kind: 'bytes', bytes };
  context.addIssue(/^\d+(\.\d+)?%$/.test(value) ? 'must be at most 100%' : pinBudgetForm);
  return z.NEVER;
});

/** Where percentages may be written too, a bare number is one whose sign was forgotten. */
function parseSizeWithUnit(value: string): number | undefined {
  return /[a-zA-Z]$/.test(value) ? parseSize(value) : undefined;
}

/** Whole, and small enough to be exact. */
export function wholeNumber(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  const error = min < 0 ? 'must be a whole number' : `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** The normalised reference as text. */
export const reference = z.string().transform((value, context) => {
  try {
    return formatReference(parseReference(value));
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error;
    context.addIssue(error.rule);
    return z.NEVER;
  }
});

/** The host that an image's name begins with. */
export const registryHost = text(registryHostRule).transform(normaliseHost);

/** Any host with an optional port. */
export const anyHost = text((value) =>
  /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?$|^\[[0-9a-f:]+\](:[1-9][0-9]{0,4})?$/.test(value)
    ? undefined
    : 'must be a host in lower case with an optional port, without scheme and path',
);

export const absolutePath = text((value) =>
  isAbsolute(value) && !value.includes('\0') ? undefined : 'must be an absolute path',
);

export const imageSetName = text(imageSetNameRule);
export const selectorKey = text((key) => labelKeyRule(key) ?? ownLabelRule(key));
export const labelValue = text(labelValueRule);
export const allowGlob = text(referenceGlobRule);

const keepLabel = text((value) =>
  value === '' || value.startsWith('=') ? 'must be the key of an image label, or key=value' : undefined,
);

export const keepRule = z.union(
  [
    z.string().transform((value, context): KeepRule => {
      const isDigest = /^sha\d+:[^/]*$/i.test(value);
      const rule = isDigest ? digestRule(value) : referenceGlobRule(value);
      if (rule === undefined) return isDigest ? { kind: 'digest', digest: value } : { kind: 'glob', glob: value };
      context.addIssue(rule);
      return z.NEVER;
    }),
    z.strictObject({ label: keepLabel }).transform(({ label }): KeepRule => {
      const equals = label.indexOf('=');
      if (equals < 0) return { kind: 'label', key: label, value: undefined };
      return { kind: 'label', key: label.slice(0, equals), value: label.slice(equals + 1) };
    }),
  ],
  { error: 'must be a glob, a digest, or a map with the key label' },
);

function digestRule(value: string): string | undefined {
  return /^sha256:[0-9a-f]{64}$/.test(value) ? undefined : 'a digest is sha256: and 64 lower-case hex digits';
}

export const cronLine = z.string().transform((cron, context) => {
  const parsed = parseCron(cron);
  if (parsed.ok) return { cron, schedule: parsed.schedule };
  context.addIssue(parsed.rule);
  return z.NEVER;
});

export const timeZone = text((value) => {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: value });
    return undefined;
  } catch {
    return 'must be an IANA time zone such as Europe/Berlin or UTC';
  }
});
