/** The names of all options, read out of the schema. */

import * as z from 'zod';
import type { MistakePath } from '../core/mistake.ts';
import { configurationSchema } from './schema.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Every option's path, `[]` for a list's entries: `imageSets[].window.cron`. Sorted as the schema has them. */
export function configurationOptions(): readonly string[] {
  return [...new Set(optionsBelow(jsonSchema(), ''))];
}

/** The known key of the map at `path` that is closest to `key`, where one is close enough to be meant. */
export function nearestKey(path: MistakePath, key: string): string | undefined {
  const known = path.reduce<readonly JsonSchema[]>(
    (schemas, step) => schemas.flatMap((schema) => below(schema, step)),
    [jsonSchema()],
  );
  const keys = known.flatMap((schema) => branches(schema)).flatMap((schema) => Object.keys(schema.properties ?? {}));
  let nearest: string | undefined;
  // A third of the letters may differ: `imageset` means imageSets, `harbor` means nothing here.
  let closest = Math.floor(key.length / 3) + 1;
  for (const candidate of keys) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase());
    if (distance < closest) {
      nearest = candidate;
      closest = distance;
    }
  }
  return nearest;
}

let knownSchema: JsonSchema | undefined;

function jsonSchema(): JsonSchema {
  knownSchema ??= z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' });
  return knownSchema;
}

function branches(schema: JsonSchema): readonly JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []).filter((branch) => typeof branch === 'object')];
}

function below(schema: JsonSchema, step: PropertyKey): readonly JsonSchema[] {
  return branches(schema).flatMap(({ items, properties }) => {
    const inner = typeof step === 'number' ? items : properties?.[String(step)];
    return typeof inner === 'object' && !Array.isArray(inner) ? [inner] : [];
  });
}

function optionsBelow(schema: JsonSchema, path: string): readonly string[] {
  return branches(schema).flatMap((branch) => [
    ...below(branch, 0).flatMap((entry) => optionsBelow(entry, `${path}[]`)),
    ...Object.keys(branch.properties ?? {}).flatMap((key) => {
      const option = path === '' ? key : `${path}.${key}`;
      return [option, ...below(branch, key).flatMap((inner) => optionsBelow(inner, option))];
    }),
  ]);
}

/** Insertions, deletions and replacements that make one text the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
